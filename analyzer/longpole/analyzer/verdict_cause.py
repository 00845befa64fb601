"""Reads a verdict line back: which cause it names, so that traces can be grouped by it.

shop › GET /cart 74 %: n_plus_one: 48 identical queries one after another. Load them at once.
└───── place ──────┘   └ detector ┘ └─────────────────── words ────────────────────────────┘
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from longpole.analyzer.findings.catalogue import DETECTORS

_PERCENT = r"(?:<?\d+(?:\.\d+)? ?%)"
_NAMES = "|".join(sorted((re.escape(one.identifier) for one in DETECTORS), key=len, reverse=True))
_FOUND = re.compile(
    rf"(?P<place>.*? › .*?)(?: {_PERCENT})?: (?P<detector>{_NAMES}): (?P<words>.*)", re.DOTALL
)
_USUAL = re.compile(
    rf"nothing unusual; {_PERCENT} in (?P<place>.*? › .*) \((?P<words>.*)\)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class VerdictCause:
    """`place` is service and operation; `detector` is empty where nothing is unusual. Traces of
    one `key` have one cause."""

    place: str
    detector: str
    words: str

    @property
    def key(self) -> str:
        """The same for the same cause, whatever its figures are."""
        return f"{self.detector or 'usual'}: {self.place}"


def cause_of(line: str) -> VerdictCause | None:
    """The cause that a verdict line names; None for an empty line and one that names none."""
    if found := _FOUND.fullmatch(line):
        return VerdictCause(found["place"], found["detector"], found["words"])
    if usual := _USUAL.fullmatch(line):
        return VerdictCause(usual["place"], "", usual["words"])
    return None
