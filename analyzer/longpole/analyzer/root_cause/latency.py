"""Latency evidence: whose part of the critical path grew.

For each kind of request (root operation) the mean path time of a place in the window less that
of the baseline; these differences are added up in the proportions of the window, so that a
change of traffic alone changes nothing. Parts add up to the growth of the mean duration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from longpole.analyzer.root_cause.facts import Held, TraceFacts
from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Names, Place
from longpole.analyzer.root_cause.samples import Change, change_of
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.wording import duration_text, named

_MOST_EXAMPLES = 3


@dataclass(slots=True)
class _Held:
    """Of one place: its time by trace, and what held most of it."""

    by_trace: dict[int, int] = field(default_factory=dict)
    operations: Counter[str] = field(default_factory=Counter)
    spans: dict[int, Held] = field(default_factory=dict)


def latency_evidence(
    before: Sequence[TraceFacts],
    after: Sequence[TraceFacts],
    names: Names,
    settings: RootCauseSettings,
) -> list[Evidence]:
    """Places that hold significantly more of the path than before, most first.

    `strength` is the part of all growth. Root operations with too few traces on either side say
    nothing.
    """
    old, new = _by_root(before), _by_root(after)
    compared = [
        root
        for root in sorted(old.keys() & new.keys())
        if min(len(old[root]), len(new[root])) >= settings.fewest_traces
    ]
    total = sum(len(new[root]) for root in compared)
    if not total:
        return []
    mean_before = sum(_mean(old[root]) * len(new[root]) for root in compared) / total
    held_before, held_after = _held(before, names), _held(after, names)
    changes: dict[Place, Change] = {}
    for place in sorted(held_before.keys() | held_after.keys()):
        parts = []
        for root in compared:
            samples = [
                [held[place].by_trace.get(facts.trace_id, 0) for facts in side[root]]
                if place in held
                else [0] * len(side[root])
                for held, side in ((held_before, old), (held_after, new))
            ]
            parts.append((len(new[root]) / total, samples[0], samples[1]))
        changes[place] = change_of(parts)
    growth = sum(max(0.0, change.amount) for change in changes.values())
    least = max(settings.least_latency_ns, settings.least_latency_share * mean_before)
    found = []
    for place, change in changes.items():
        is_telling = change.z >= settings.least_z or change.outliers >= settings.least_outliers
        # A busy machine slows everything by a part; a fault multiplies.
        is_multiple = change.after >= settings.least_latency_ratio * change.before
        if change.amount < least or not is_telling or not is_multiple:
            continue
        grown = held_after[place].operations.copy()
        was = held_before[place].operations if place in held_before else Counter[str]()
        for operation in grown:
            grown[operation] -= round(was[operation] * len(after) / max(1, len(before)))
        operation = max(sorted(grown), key=lambda name: grown[name])
        spans = held_after[place].spans
        worst = sorted(spans, key=lambda t: (-spans[t].total_ns, t))[:_MOST_EXAMPLES]
        whole = {facts.trace_id: facts for facts in after}
        found.append(
            Evidence(
                kind=EvidenceKind.LATENCY,
                place=place,
                operation=operation,
                amount=change.amount,
                before=change.before,
                after=change.after,
                words=f"holds {duration_text(round(change.after))} of the critical path of a "
                f"trace, {duration_text(round(change.before))} before, mostly in "
                f"{named(operation)}",
                strength=min(1.0, change.amount / growth) if growth > 0 else 0.0,
                examples=tuple(whole[t].example(spans[t].span_id) for t in worst),
            )
        )
    return sorted(found, key=lambda one: (-one.amount, one.place))


def _by_root(traces: Sequence[TraceFacts]) -> dict[tuple[str, str], list[TraceFacts]]:
    roots: dict[tuple[str, str], list[TraceFacts]] = {}
    for facts in traces:
        roots.setdefault(facts.root, []).append(facts)
    return roots


def _mean(traces: Sequence[TraceFacts]) -> float:
    return sum(facts.duration_ns for facts in traces) / len(traces)


def _held(traces: Sequence[TraceFacts], names: Names) -> dict[Place, _Held]:
    """What each place held. Waiting for something that sends no spans, like a database, counts
    for who waits."""
    places: dict[Place, _Held] = {}
    for facts in traces:
        for spot, held in facts.path.items():
            callee = names.service(spot.peer)
            known = places.setdefault(
                Place(spot.service, callee if callee != spot.service else ""), _Held()
            )
            known.by_trace[facts.trace_id] = known.by_trace.get(facts.trace_id, 0) + held.total_ns
            known.operations[spot.operation] += held.total_ns
            shown = known.spans.get(facts.trace_id)
            if shown is None or shown.total_ns < held.total_ns:
                known.spans[facts.trace_id] = held
    return places
