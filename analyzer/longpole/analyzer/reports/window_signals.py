"""Reads what was logged and measured in two stretches of time, as evidence for a cause."""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analyzer.correlation.log_lines import LogLine, log_lines
from longpole.analyzer.correlation.metric_series import series_of
from longpole.analyzer.root_cause.log_evidence import log_evidence
from longpole.analyzer.root_cause.metric_evidence import metric_evidence
from longpole.analyzer.root_cause.places import Evidence
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.root_cause.windows import Window
from longpole.model.query import LogQuery, MetricQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader


def signal_evidence(
    reader: TraceReader, before: Window, after: Window, settings: RootCauseSettings
) -> tuple[list[list[Evidence]], list[str]]:
    """Evidence from logs and from metrics of the services in the traces, and notices."""
    services = tuple(sorted(set(before.spans_of) | set(after.spans_of)))
    if not services or not before.traces or not after.traces:
        return [], []
    notices: list[str] = []
    old, new = (
        _lines(reader, window.time, services, settings.most_logs, notices)
        for window in (before, after)
    )
    spans = [
        {one.name: one.span_count for one in reader.services(window.time)}
        for window in (before, after)
    ]
    reach = TimeRange(
        min(before.time.start_unix_nano, after.time.start_unix_nano),
        max(before.time.end_unix_nano, after.time.end_unix_nano),
    )
    series = series_of(reader.metric_points(MetricQuery(time=reach, services=services)))
    return [
        log_evidence(old, new, spans[0], spans[1], settings),
        metric_evidence(series, after.time, before.time, settings),
    ], notices


def _lines(
    reader: TraceReader,
    time: TimeRange,
    services: Sequence[str],
    most: int,
    notices: list[str],
) -> list[LogLine]:
    found = reader.find_logs(LogQuery(time=time, services=tuple(services), limit=most))
    if found.is_truncated:
        notices.append(f"of the logs only the newest {most:,} records of a window were read")
    return log_lines(found.logs)
