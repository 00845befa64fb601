"""Reads a verdict line back: which cause it names, so that traces can be grouped by it.

shop › GET /cart 74 %: n_plus_one: 48 identical queries one after another. Load them at once.
└───── place ──────┘   └ detector ┘ └─────────────────── words ────────────────────────────┘
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from longpole.analyzer.findings.catalogue import DETECTORS
from longpole.analyzer.verdict import BEGINNINGS, OWN_TIME, Failure

_PERCENT = r"(?:<?\d+(?:\.\d+)? ?%)"
_IDENTIFIERS = sorted((one.identifier for one in DETECTORS), key=len, reverse=True)
_NAMES = "|".join(map(re.escape, (*_IDENTIFIERS, OWN_TIME)))
_FOUND = re.compile(
    rf"(?P<place>.*? › .*?)(?: {_PERCENT})?: (?P<detector>{_NAMES}): (?P<words>.*)", re.DOTALL
)
_BEGINNINGS = {text: failure for failure, text in BEGINNINGS.items()}
_UNKNOWN = re.compile(
    rf"(?P<begin>{'|'.join(map(re.escape, _BEGINNINGS))}); {_PERCENT} in (?P<place>.*? › .*)"
    r" \((?P<words>.*)\)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class VerdictCause:
    """`place` is service and operation; `detector` is empty where no finding leads, and `OWN_TIME`
    where own time leads that has a finding beside it; `failure` says how the trace failed then.
    Traces of one `key` have one cause."""

    place: str
    detector: str
    words: str
    failure: Failure = Failure.NONE

    @property
    def key(self) -> str:
        """The same for the same cause, whatever its figures are."""
        how = self.detector or {Failure.ROOT: "failed", Failure.PATH: "errors"}.get(self.failure)
        return f"{how or 'usual'}: {self.place}"


def with_title(line: str, title_of: Callable[[str], str]) -> str:
    """A verdict line with the title of its detector in place of the identifier."""
    found = _FOUND.fullmatch(line)
    if found is None:
        return line
    begin, end = found.span("detector")
    return f"{line[:begin]}{title_of(line[begin:end])}{line[end:]}"


def cause_of(line: str) -> VerdictCause | None:
    """The cause that a verdict line names; None for an empty line and one that names none."""
    if found := _FOUND.fullmatch(line):
        return VerdictCause(found["place"], found["detector"], found["words"])
    if other := _UNKNOWN.fullmatch(line):
        return VerdictCause(other["place"], "", other["words"], _BEGINNINGS[other["begin"]])
    return None
