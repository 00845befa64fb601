"""Queue evidence: messages whose handling ends later after their sending than before."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.root_cause.facts import Held, TraceFacts
from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Example, Place
from longpole.analyzer.root_cause.samples import change_of
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.wording import duration_text, named

_MOST_EXAMPLES = 3


def queue_evidence(
    before: Sequence[TraceFacts], after: Sequence[TraceFacts], settings: RootCauseSettings
) -> list[Evidence]:
    """Receivers whose messages take significantly longer from being sent to being done with,
    longest first: who receives decides how fast. `amount` is nanoseconds a message that was
    handled; those still waiting are not counted."""
    old, new = _waits(before), _waits(after)
    found: dict[Place, Evidence] = {}
    for key in sorted(old.keys() & new.keys()):
        sender, receiver, operation = key
        if min(len(old[key]), len(new[key])) < settings.fewest_traces:
            continue
        was, now = ([float(held.total_ns) for _, held in side[key]] for side in (old, new))
        change = change_of([(1.0, was, now)])
        if change.amount < settings.least_queue_ns or change.z < settings.least_queue_z:
            continue
        worst = sorted(new[key], key=lambda pair: (-pair[1].total_ns, pair[0]))[:_MOST_EXAMPLES]
        place = Place(receiver)
        known = found.get(place)
        if known is None or known.amount < change.amount:
            found[place] = Evidence(
                kind=EvidenceKind.QUEUE,
                place=place,
                operation=operation,
                amount=change.amount,
                before=change.before,
                after=change.after,
                words=f"messages of {named(sender)} are worked off "
                f"{duration_text(round(change.after))} after they were sent "
                f"({named(operation)}), {duration_text(round(change.before))} before",
                examples=tuple(Example(trace_id, held.span_id) for trace_id, held in worst),
            )
    total = sum(one.amount for one in found.values())
    return sorted(
        (
            Evidence(
                one.kind, one.place, one.operation, one.amount, one.before, one.after, one.words,
                one.amount / total, one.examples,
            )
            for one in found.values()
        ),
        key=lambda one: (-one.amount, one.place),
    )  # fmt: skip


def _waits(
    traces: Sequence[TraceFacts],
) -> dict[tuple[str, str, str], list[tuple[int, Held]]]:
    waits: dict[tuple[str, str, str], list[tuple[int, Held]]] = {}
    for facts in traces:
        for key, held in facts.queues.items():
            waits.setdefault(key, []).append((facts.trace_id, held))
    return waits
