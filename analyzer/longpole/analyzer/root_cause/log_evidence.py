"""Log evidence: services whose warnings and errors come more often per span than before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from longpole.analyzer.correlation.log_lines import ERROR, WARN, LogLine
from longpole.analyzer.correlation.template_changes import Pattern, patterns_of
from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Example, Place
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.wording import counted, quoted

_MOST_EXAMPLES = 3
# Below a warning a pattern is what the program does, not what went wrong: it moves with the
# traffic and with every failure elsewhere.
_WEIGHT_OF_INFO = 0.1


def log_evidence(
    before: Sequence[LogLine],
    after: Sequence[LogLine],
    spans_before: Mapping[str, int],
    spans_after: Mapping[str, int],
    settings: RootCauseSettings,
) -> list[Evidence]:
    """Services by the excess of records per span, of the pattern that grew most; `strength` is
    the part of all excess. Patterns that only became rarer are consequences and left out, save
    where a service fell silent altogether, which its traces show."""
    grown: dict[str, list[tuple[float, Pattern]]] = {}
    for pattern in patterns_of(after, before, spans_after, spans_before):
        if not _is_telling(pattern, spans_after, spans_before, settings):
            continue
        weight = 1.0 if pattern.severity >= WARN else _WEIGHT_OF_INFO
        # The excess in records, since a rate per span of a service with few spans is no measure.
        excess = weight * pattern.excess * spans_after[pattern.service]
        grown.setdefault(pattern.service, []).append((excess, pattern))
    totals = {service: sum(excess for excess, _ in parts) for service, parts in grown.items()}
    everything = sum(totals.values())
    examples = _examples(after)
    found = []
    for service, parts in grown.items():
        excess, worst = max(parts, key=lambda pair: (pair[0], pair[1].template))
        kind = "error" if worst.severity >= ERROR else "warning" if worst.severity >= WARN else ""
        found.append(
            Evidence(
                kind=EvidenceKind.LOGS,
                place=Place(service),
                operation="",
                amount=totals[service] / spans_after[service],
                before=worst.baseline_rate,
                after=worst.rate,
                words=f"logs {quoted(worst.template)!r} {counted(worst.count, 'time')}"
                + (f" at level {kind}" if kind else "")
                + f", {counted(worst.baseline_count, 'time')} before",
                strength=totals[service] / everything,
                examples=examples.get(service, ()),
            )
        )
    return sorted(found, key=lambda one: (-one.strength, one.place))


def _is_telling(
    pattern: Pattern,
    spans_after: Mapping[str, int],
    spans_before: Mapping[str, int],
    settings: RootCauseSettings,
) -> bool:
    if not spans_after.get(pattern.service) or not spans_before.get(pattern.service):
        return False
    grew = pattern.rate >= settings.least_record_ratio * pattern.baseline_rate
    return pattern.count >= settings.least_records and grew and pattern.z >= settings.least_log_z


def _examples(lines: Sequence[LogLine]) -> dict[str, tuple[Example, ...]]:
    """Spans that the gravest records of each service belong to, one for each trace."""
    shown: dict[str, dict[int, int]] = {}
    for line in sorted(lines, key=lambda one: (-one.severity, one.time_unix_nano, one.body)):
        if line.trace_id and line.span_id and line.severity >= WARN:
            traces = shown.setdefault(line.service, {})
            if len(traces) < _MOST_EXAMPLES:
                traces.setdefault(line.trace_id, line.span_id)
    return {
        service: tuple(Example(trace_id, span_id) for trace_id, span_id in traces.items())
        for service, traces in shown.items()
    }
