"""The context of a trace: what history, logs and metrics say about the places of its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.correlation.dark_time import Gap, gaps_of
from longpole.analyzer.correlation.error_series import is_of_errors
from longpole.analyzer.correlation.log_lines import (
    WARN,
    LogLine,
    instance_of,
    is_same_instance,
    level_of,
    log_lines,
)
from longpole.analyzer.correlation.metric_moves import MetricMove, moves_of
from longpole.analyzer.correlation.metric_series import Series, series_of
from longpole.analyzer.correlation.nearby_logs import NearbyPattern, merged, nearby_patterns
from longpole.analyzer.correlation.settings import ContextSettings
from longpole.analyzer.correlation.template_changes import Pattern, TemplateState, patterns_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.reports.usual_runs import Run, time_around, usual_runs
from longpole.model.ids import parse_span_id, span_id_hex
from longpole.model.query import LogQuery, MetricQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A place of the verdict: who, and the spans that held it, most telling first."""

    service: str
    operation: str
    span_ids: tuple[int, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Bottleneck:
        """That of an entry of a report's verdict."""
        ids = tuple(parse_span_id(span_id) for span_id in entry["span_ids"])
        return cls(entry["service"], entry["operation"], ids)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of one service around the trace."""

    lines: Sequence[LogLine]
    series: Sequence[Series]


def trace_context(
    reader: TraceReader,
    explanation: Explanation,
    verdict: Sequence[Bottleneck],
    settings: ContextSettings | None = None,
) -> dict[str, Any]:
    """`places`: of the first places of the verdict, `red`, `logs`, `patterns` and `metrics`, each
    only with what is telling; `gaps`: the longest stretches without any span, with what was logged
    in them. Nothing of it is a cause by itself: it is what a person would look up next.
    """
    chosen, e = settings or ContextSettings(), explanation
    if e.root < 0:
        return {"places": [], "gaps": []}
    read: dict[str, _Read] = {}
    places = []
    for entry in verdict[: chosen.most_entries]:
        held = _indices(e, entry)
        if held:
            places.append(_place(reader, e, entry, held, _of(reader, e, entry.service, read,
                                                             chosen), chosen))  # fmt: skip
    least = max(chosen.least_gap_ns, round(chosen.least_gap_share * e.duration_ns))
    gaps = []
    for gap in gaps_of(e, least)[: chosen.most_gaps]:
        found = _of(reader, e, e.spans.services[gap.span], read, chosen)
        gaps.append(_gap(e, gap, found, chosen))
    return {"places": places, "gaps": gaps}


def _indices(e: Explanation, entry: Bottleneck) -> list[int]:
    wanted = {span_id: place for place, span_id in enumerate(entry.span_ids)}
    held = [i for i, span_id in enumerate(e.spans.span_ids) if span_id in wanted]
    return sorted(held, key=lambda i: wanted[e.spans.span_ids[i]])


def _of(
    reader: TraceReader, e: Explanation, service: str, read: dict[str, _Read],
    settings: ContextSettings,
) -> _Read:  # fmt: skip
    if service not in read:
        time = _range(e, settings.before_ns + settings.around_ns, settings.around_ns)
        logs = reader.find_logs(
            LogQuery(time=time, services=(service,), limit=settings.most_logs)
        ).logs
        points = reader.metric_points(MetricQuery(time=time, services=(service,)))
        read[service] = _Read(log_lines(logs), series_of(points))
    return read[service]


def _range(e: Explanation, before: int, after: int) -> TimeRange:
    return time_around((e.start_unix_nano, e.duration_ns), before, after)


def _place(
    reader: TraceReader, e: Explanation, entry: Bottleneck, held: Sequence[int], read: _Read,
    settings: ContextSettings,
) -> dict[str, Any]:  # fmt: skip
    instance = _instance(e, held[0])
    lines = [line for line in read.lines if is_same_instance(instance, line.instance)]
    series = [
        one for one in read.series
        if is_same_instance(instance, one.instance) and (e.error_count or not is_of_errors(one))
    ]  # fmt: skip
    intervals = _critical(e, held)
    around = _range(e, settings.around_ns, settings.around_ns)
    hull = TimeRange(intervals[0][0], intervals[-1][1]) if intervals else around
    before = _range(e, settings.before_ns + settings.around_ns, 0).start_unix_nano
    ids = {e.spans.span_ids[i] for i in held}
    own = [line for line in lines if line.trace_id == e.trace_id]
    return {
        "service": entry.service,
        "operation": entry.operation,
        "span_id": span_id_hex(e.spans.span_ids[held[0]]),
        "instance": dict(instance),
        "red": _red(reader, e, held[0], settings),
        "logs": {
            "span": sum(line.span_id in ids for line in own),
            "trace": len(own),
            "worst": [_line(line) for line in _worst(own, ids)[: settings.most_lines]],
        },
        "nearby": [
            _nearby(one) for one in _unlinked(e, lines, intervals)[: settings.most_patterns]
        ],
        "patterns": [
            _pattern(one) for one in _changed(lines, around, before)[: settings.most_patterns]
        ],
        "metrics": [
            _move(one)
            for one in moves_of(
                series, hull, TimeRange(before, e.start_unix_nano), settings.least_metric_z
            )[: settings.most_moves]
        ],
    }


def _instance(e: Explanation, index: int) -> tuple[tuple[str, str], ...]:
    """What the resource of a span calls itself, as far as the spans at hand can tell."""
    spans = e.spans
    if spans.sent:
        return instance_of(spans.sent[spans.rows[index]].resource.attributes)
    host = spans.text(index, ("host.name",))
    return (("host.name", host),) if host else ()


def _critical(e: Explanation, held: Sequence[int]) -> list[tuple[int, int]]:
    wanted, segments = set(held), e.segments
    return merged(
        [
            (start, end)
            for owner, start, end in zip(
                segments.owners, segments.starts, segments.ends, strict=True
            )
            if owner in wanted
        ]
    )


def _worst(own: Sequence[LogLine], ids: set[int]) -> list[LogLine]:
    """Warnings and errors, those of the spans themselves first."""
    grave = [line for line in own if line.severity >= WARN]
    return sorted(
        grave,
        key=lambda one: (one.span_id not in ids, -one.severity, one.time_unix_nano, one.body),
    )


def _unlinked(
    e: Explanation, lines: Sequence[LogLine], intervals: Sequence[tuple[int, int]]
) -> list[NearbyPattern]:
    others = [line for line in lines if line.trace_id != e.trace_id]
    if not others:
        return []
    first = min(line.time_unix_nano for line in others)
    last = max(line.time_unix_nano for line in others) + 1
    observed = min(first, intervals[0][0]), max(last, intervals[-1][1])
    return nearby_patterns(others, intervals, observed)


def _changed(lines: Sequence[LogLine], around: TimeRange, before: int) -> list[Pattern]:
    """Patterns that are new or more frequent around the trace, surest first."""
    now = [line for line in lines if line.time_unix_nano >= around.start_unix_nano]
    was = [line for line in lines if line.time_unix_nano < around.start_unix_nano]
    if not now or not was:
        return []
    first = max(before, min(line.time_unix_nano for line in was))
    services = {line.service for line in now}
    seconds = (around.end_unix_nano - around.start_unix_nano) / 1e9
    seconds_before = (around.start_unix_nano - first) / 1e9
    found = patterns_of(
        now, was, dict.fromkeys(services, seconds), dict.fromkeys(services, seconds_before)
    )
    telling = [
        one for one in found
        if one.state in (TemplateState.NEW, TemplateState.MORE) and one.z >= 3 and one.count > 2
    ]  # fmt: skip
    return sorted(telling, key=lambda one: (one.severity < WARN, -one.z, one.template))


def _red(
    reader: TraceReader, e: Explanation, index: int, settings: ContextSettings
) -> dict[str, Any] | None:
    spans = e.spans
    run = Run(
        spans.services[index], spans.names[index], spans.kinds[index],
        spans.ends[index] - spans.starts[index],
    )  # fmt: skip
    return usual_runs(reader, run, (e.start_unix_nano, e.duration_ns), settings)


def _line(line: LogLine) -> dict[str, Any]:
    return {
        "time_unix_nano": line.time_unix_nano,
        "level": line.level,
        "body": line.body,
        "span_id": span_id_hex(line.span_id) if line.span_id else None,
    }


def _nearby(one: NearbyPattern) -> dict[str, Any]:
    return {
        "template": one.template,
        "level": level_of(one.severity, ""),
        "inside": one.inside,
        "outside": one.outside,
        "expected": round(one.expected, 6),
        "example": one.example.body,
    }


def _pattern(one: Pattern) -> dict[str, Any]:
    return {
        "template": one.template,
        "level": level_of(one.severity, ""),
        "state": str(one.state),
        "count": one.count,
        "rate_per_second": round(one.rate, 6),
        "baseline_rate_per_second": round(one.baseline_rate, 6),
        "example": one.example.body,
    }


def _move(one: MetricMove) -> dict[str, Any]:
    return {
        "name": one.series.name,
        "aspect": one.series.aspect,
        "unit": one.series.unit,
        "attributes": dict(one.series.labels),
        "value": one.value,
        "usual": one.usual,
        "z": round(one.z, 3),
    }


def _gap(e: Explanation, gap: Gap, read: _Read, settings: ContextSettings) -> Mapping[str, Any]:
    spans = e.spans
    instance = _instance(e, gap.span)
    lines = [line for line in read.lines if is_same_instance(instance, line.instance)]
    within = [
        line for line in lines
        if line.trace_id == e.trace_id
        and gap.start_unix_nano <= line.time_unix_nano < gap.end_unix_nano
    ]  # fmt: skip
    interval = [(gap.start_unix_nano, gap.end_unix_nano)]
    return {
        "service": spans.services[gap.span],
        "operation": spans.names[gap.span],
        "span_id": span_id_hex(spans.span_ids[gap.span]),
        "where": gap.where,
        "is_network": gap.is_network,
        "start_unix_nano": gap.start_unix_nano,
        "end_unix_nano": gap.end_unix_nano,
        "logs": [_line(line) for line in sorted(within, key=lambda one: one.time_unix_nano)
                 [: settings.most_lines]],
        "nearby": [_nearby(one) for one in _unlinked(e, lines, interval)[: settings.most_patterns]],
    }  # fmt: skip
