"""Kinds: everything that is looked for, in single traces and in many at once, one row each."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.findings.catalogue import DETECTORS
from longpole.analyzer.findings.window.detectors import WINDOW_DETECTORS


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: the identifier that findings have, and in words what it is and by which
    rule it is found (by both, where one trace shows it and a window does, too)."""

    identifier: str
    title: str
    rule_in_words: str


def _kinds() -> tuple[Kind, ...]:
    found = {
        one.identifier: Kind(one.identifier, one.title, one.rule_in_words) for one in DETECTORS
    }
    for other in WINDOW_DETECTORS:
        alone = found.get(other.identifier)
        rule = f"In many traces: {other.rule_in_words}"
        found[other.identifier] = Kind(
            other.identifier,
            alone.title if alone else other.title,
            f"{alone.rule_in_words} {rule}" if alone else rule,
        )
    return tuple(found.values())


KINDS = _kinds()
"""In the order in which the docs list them; each identifier once."""
