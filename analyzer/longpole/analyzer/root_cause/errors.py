"""Error evidence: where failures began, beyond what failed before as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from longpole.analyzer.correlation.template_changes import rate_z
from longpole.analyzer.root_cause.facts import Failure, TraceFacts
from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Example, Names, Place
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.wording import named, share_text

_MOST_EXAMPLES = 3


def error_evidence(
    before: Sequence[TraceFacts],
    after: Sequence[TraceFacts],
    names: Names,
    settings: RootCauseSettings,
) -> list[Evidence]:
    """Places where significantly more traces began to fail than before, most first.

    `amount` is the excess over the baseline as a share of traces; `strength` its part of all
    excess. A trace counts once for each place, however often it retried.
    """
    if not before or not after:
        return []
    old, _ = _origins(before, names)
    new, operations = _origins(after, names)
    found: list[Evidence] = []
    excess_of = {
        place: len(new[place]) / len(after) - len(old.get(place, ())) / len(before) for place in new
    }
    total = sum(max(0.0, excess) for excess in excess_of.values())
    for place, excess in excess_of.items():
        failed, failed_before = len(new[place]), len(old.get(place, ()))
        is_many = failed >= settings.least_failures and excess >= settings.least_failure_rate
        z = rate_z(failed, len(after), failed_before, len(before))
        # Few traces that fail again and again where nothing failed before are no accident either.
        is_stubborn = not failed_before and (
            sum(operations[place].values()) >= settings.least_stubborn_failures
        )
        if not is_many or (z < settings.least_error_z and not is_stubborn):
            continue
        operation = max(sorted(operations[place]), key=lambda o: operations[place][o])
        found.append(
            Evidence(
                kind=EvidenceKind.ERRORS,
                place=place,
                operation=operation,
                amount=excess,
                before=failed_before / len(before),
                after=failed / len(after),
                words=f"failures begin here in {share_text(failed / len(after))} of traces, "
                f"{share_text(failed_before / len(before))} before, mostly in {named(operation)}",
                strength=min(1.0, excess / total),
                examples=tuple(
                    Example(trace_id, new[place][trace_id])
                    for trace_id in sorted(new[place])[:_MOST_EXAMPLES]
                ),
            )
        )
    return sorted(found, key=lambda one: (-one.amount, one.place))


def place_of(failure: Failure, names: Names) -> Place:
    """A failed span's own service; for a call that was never answered, the edge."""
    spot = failure.spot
    callee = names.service(spot.peer)
    return Place(spot.service, callee if callee != spot.service else "")


def _origins(
    traces: Sequence[TraceFacts], names: Names
) -> tuple[dict[Place, dict[int, int]], dict[Place, Counter[str]]]:
    """By place: a failed span of each trace, and how often each operation failed first."""
    spans: dict[Place, dict[int, int]] = {}
    operations: dict[Place, Counter[str]] = {}
    for facts in traces:
        for failure in facts.failures:
            place = place_of(failure, names)
            spans.setdefault(place, {}).setdefault(facts.trace_id, failure.span_id)
            operations.setdefault(place, Counter())[failure.spot.operation] += 1
    return spans, operations
