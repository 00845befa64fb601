"""Ranks suspects: separate lists of evidence combined by reciprocal rank.

Each kind of evidence is a list, most first. A place gets from each list its strength there (its
part of everything that the list explains) divided by its rank, so that a list in which nobody
stands out says little. Evidence of traces counts in full; logs and metrics, which echo what
happens elsewhere, count less. Ties go to the place with more evidence of traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longpole.analyzer.root_cause.places import OF_TRACES, Evidence, EvidenceKind, Place
from longpole.analyzer.root_cause.settings import RootCauseSettings

WEIGHTS = {
    EvidenceKind.LATENCY: 1.0,
    EvidenceKind.ERRORS: 1.0,
    EvidenceKind.STRUCTURE: 1.0,
    EvidenceKind.QUEUE: 1.0,
    EvidenceKind.LOGS: 0.5,
    EvidenceKind.METRICS: 0.25,
}


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place, its score, and what speaks against it, weightiest first. `trace_score` is the
    part of the score that comes from traces."""

    place: Place
    score: float
    trace_score: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Suspects, worst first. `is_clear`: the first one stands out from those that have nothing
    to do with it; `why_not` says what is missing otherwise."""

    suspects: tuple[Suspect, ...]
    is_clear: bool
    why_not: str = ""


def ranked(lists: Sequence[Sequence[Evidence]], settings: RootCauseSettings) -> Ranking:
    """The suspects of some lists of evidence, each of one kind with most first."""
    scores: dict[Place, list[tuple[float, Evidence]]] = {}
    for evidence_of_a_kind in lists:
        for place, one in enumerate(evidence_of_a_kind, start=1):
            part = WEIGHTS[one.kind] * one.strength / place
            scores.setdefault(one.place, []).append((part, one))
    suspects = []
    for where, parts in scores.items():
        parts.sort(key=lambda pair: (-pair[0], pair[1].kind))
        suspects.append(
            Suspect(
                place=where,
                score=round(sum(part for part, _ in parts), 9),
                trace_score=round(sum(part for part, one in parts if one.kind in OF_TRACES), 9),
                evidence=tuple(one for _, one in parts),
            )
        )
    suspects.sort(key=lambda one: (-one.score, -one.trace_score, one.place))
    why_not = _why_not(suspects, settings)
    return Ranking(tuple(suspects), not why_not, why_not)


def _why_not(suspects: Sequence[Suspect], settings: RootCauseSettings) -> str:
    if not suspects:
        return "nothing changed enough to tell it from chance"
    first = suspects[0]
    if all(one.kind is EvidenceKind.METRICS for one in first.evidence):
        return "only metrics changed; no trace and no log shows an effect"
    for other in suspects[1:]:
        if not _share_a_service(first.place, other.place):
            if first.score < settings.separation * other.score:
                return "the first suspects are about as likely as each other"
            break
    if first.score < settings.least_score:
        return "the changes are spread over many services"
    return ""


def _share_a_service(one: Place, other: Place) -> bool:
    """Whether both may be the same cause seen from two sides, as a service and a call of it."""
    return bool(({*one} & {*other}) - {""})
