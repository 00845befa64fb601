"""The report of dark time: parts of the critical path, over many traces, that no span explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from longpole.analyzer.calls import without_ids
from longpole.analyzer.correlation.dark_time import gaps_of
from longpole.analyzer.correlation.log_lines import LogLine, level_of, log_lines
from longpole.analyzer.correlation.metric_moves import MetricMove, moves_of
from longpole.analyzer.correlation.metric_series import Series, series_of
from longpole.analyzer.correlation.nearby_logs import merged, nearby_patterns
from longpole.analyzer.correlation.settings import ContextSettings
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.reports.window_traces import traces_begun
from longpole.analyzer.traceql import format_query
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.query import LogQuery, MetricQuery, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

MOST_TRACES = 5_000
MOST_LOGS = 100_000
# Of so many groups it is looked up what happened in them.
EXPLAINED_GROUPS = 10
_MOST_EXAMPLES = 3
_EARLIEST = -(1 << 63)


@dataclass(slots=True)
class _Group:
    """Equal gaps: where they lie, and each as (length, trace, span, start, end)."""

    service: str
    operation: str
    where: str
    is_network: bool
    gaps: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    @property
    def total_ns(self) -> int:
        return sum(gap[0] for gap in self.gaps)


def gaps_report(
    reader: TraceReader,
    query: TraceQuery,
    options: PathOptions | None = None,
    settings: ContextSettings | None = None,
) -> dict[str, Any]:
    """Gaps of every matching trace (`query.limit` does not apply), most critical time first.

    A gap is at least `least_listed_gap_ns` long. For the first groups it is told what was logged
    in them more often than outside, and which metrics stood out in the longest of them. Of very
    many traces a sample is read, which `used` against `matched` shows.
    """
    chosen = settings or ContextSettings()
    begun = traces_begun(reader, query, MOST_TRACES)
    groups: dict[tuple[str, str, str, bool], _Group] = {}
    duration_sum = used = 0
    for explanation in explanations(reader, begun.chosen, options):
        used += 1
        duration_sum += explanation.duration_ns
        _add(groups, explanation, chosen.least_listed_gap_ns)
    ordered = sorted(groups.items(), key=lambda pair: (-pair[1].total_ns, pair[0]))
    signals = _Signals(reader, begun.time, chosen)
    return {
        "query": format_query(query),
        "coverage": {"matched": begun.matched, "used": used},
        "duration_sum_ns": duration_sum,
        "dark_ns": sum(group.total_ns for _, group in ordered),
        "gaps": [
            _document(group, duration_sum, signals if place < EXPLAINED_GROUPS else None)
            for place, (_, group) in enumerate(ordered)
        ],
        "notices": list(begun.notices),
    }


def _add(groups: dict[tuple[str, str, str, bool], _Group], e: Explanation, least_ns: int) -> None:
    spans = e.spans
    for gap in gaps_of(e, least_ns):
        service, operation = spans.services[gap.span], without_ids(spans.names[gap.span])
        key = (service, operation, gap.where, gap.is_network)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(*key)
        start, end = gap.start_unix_nano, gap.end_unix_nano
        group.gaps.append((end - start, e.trace_id, spans.span_ids[gap.span], start, end))


@dataclass(slots=True)
class _Signals:
    """Logs and metrics of services around the traces, each service read once."""

    reader: TraceReader
    time: TimeRange
    settings: ContextSettings
    lines: dict[str, Sequence[LogLine]] = field(default_factory=dict)
    series: dict[str, Sequence[Series]] = field(default_factory=dict)

    def patterns(self, group: _Group) -> list[dict[str, Any]]:
        """What was logged in these gaps more often than outside of them."""
        service = group.service
        if service not in self.lines:
            query = LogQuery(time=self._reach(), services=(service,), limit=MOST_LOGS)
            self.lines[service] = log_lines(self.reader.find_logs(query).logs)
        lines = self.lines[service]
        if not lines:
            return []
        intervals = merged([(start, end) for *_, start, end in group.gaps])
        times = [line.time_unix_nano for line in lines]
        observed = min(*times, intervals[0][0]), max(max(times) + 1, intervals[-1][1])
        found = nearby_patterns(lines, intervals, observed)[: self.settings.most_patterns]
        return [
            {
                "template": one.template,
                "level": level_of(one.severity, ""),
                "inside": one.inside,
                "outside": one.outside,
                "expected": round(one.expected, 6),
                "example": one.example.body,
            }
            for one in found
        ]

    def moves(self, group: _Group) -> list[MetricMove]:
        """What the service's metrics show in the longest of these gaps."""
        service = group.service
        if service not in self.series:
            query = MetricQuery(time=self._reach(), services=(service,))
            self.series[service] = series_of(self.reader.metric_points(query))
        *_, start, end = max(group.gaps)
        before = TimeRange(self._reach().start_unix_nano, start)
        found = moves_of(
            self.series[service], TimeRange(start, end), before, self.settings.least_metric_z
        )
        return found[: self.settings.most_moves]

    def _reach(self) -> TimeRange:
        start, settings = self.time.start_unix_nano, self.settings
        return TimeRange(
            max(_EARLIEST, start - settings.before_ns),
            min((1 << 63) - 1, self.time.end_unix_nano + settings.around_ns),
        )


def _document(group: _Group, duration_sum: int, signals: _Signals | None) -> dict[str, Any]:
    longest = sorted(group.gaps, key=lambda gap: (-gap[0], gap[1:]))
    return {
        "service": group.service,
        "operation": group.operation,
        "where": group.where,
        "is_network": group.is_network,
        "critical_ns": group.total_ns,
        "share": round(group.total_ns / duration_sum, 6) if duration_sum else 0.0,
        "count": len(group.gaps),
        "trace_count": len({trace_id for _, trace_id, *_ in group.gaps}),
        "longest_ns": longest[0][0],
        "examples": [
            {
                "trace_id": trace_id_hex(trace_id),
                "span_id": span_id_hex(span_id),
                "start_unix_nano": start,
                "end_unix_nano": end,
            }
            for _, trace_id, span_id, start, end in longest[:_MOST_EXAMPLES]
        ],
        "logs": signals.patterns(group) if signals else [],
        "metrics": [
            {
                "name": move.series.name,
                "aspect": move.series.aspect,
                "unit": move.series.unit,
                "attributes": dict(move.series.labels),
                "value": move.value,
                "usual": move.usual,
                "z": round(move.z, 3),
            }
            for move in (signals.moves(group) if signals else ())
        ],
    }
