"""Reads what window detectors look at, in bounded amounts, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.calls import DB_SYSTEM, HOST, MESSAGING_SYSTEM, PEER, QUERY_TEXT
from longpole.analyzer.findings.window.measured_pauses import (
    METRICS,
    MeasuredPause,
    measured_pauses,
)
from longpole.analyzer.findings.window.span_columns import (
    NO_ROW,
    SpanColumns,
    span_columns,
)
from longpole.analyzer.findings.window.window import Window
from longpole.model.ids import join_trace_id
from longpole.model.query import LogQuery, MetricQuery, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader, WholeTraces

ATTRIBUTES: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            "service.version", "service.instance.id", "k8s.pod.name", "container.id",
            "http.response.status_code", "http.status_code", "rpc.grpc.status_code",
            "messaging.destination.name",
            *HOST, *DB_SYSTEM, *QUERY_TEXT, *MESSAGING_SYSTEM, *PEER,
        )
    )
)  # fmt: skip
ERROR_LEVEL = 17  # severity numbers from here on are ERROR and FATAL
_TRACES_A_READ = 2_500
_SHORTEST_PAST_NS = 60_000_000_000
# Metrics are sent every minute where nobody says otherwise: the point before the window is needed
# to tell what grew in it, and the one after it tells of its last minute.
_POINTS_APART_NS = 65_000_000_000
_MOST_MEASURED_NS = 3_600_000_000_000
_MOST_POINTS = 100_000


@dataclass(frozen=True, slots=True)
class Reach:
    """How much is read at most: traces and spans of the window, traces before it, log records
    of each."""

    traces: int = 10_000
    spans: int = 1_000_000
    traces_before: int = 2_000
    logs: int = 20_000


REACH = Reach()


@dataclass(frozen=True, slots=True)
class Gathered:
    """A window (None without any trace), root service and operation and start by trace id, and
    what the person who asked should know."""

    window: Window | None
    roots: dict[int, tuple[str, str, int]]
    notices: tuple[str, ...]


def gather(
    reader: TraceReader, query: TraceQuery, least_pause_ns: int, reach: Reach = REACH
) -> Gathered:
    """What matches the query, and what matched it right before its time began; and pauses of
    `least_pause_ns` that processes measured themselves."""
    ids, roots, is_cut, (first, last) = _found(reader, query, reach.traces, reach.spans)
    if not ids:
        return Gathered(None, {}, ())
    time = query.time
    has_begin = time.start_unix_nano > TimeRange().start_unix_nano
    begin = time.start_unix_nano if has_begin and not is_cut else first
    end = min(time.end_unix_nano, last + 1)
    spans = _spans(reader, ids, time.start_unix_nano, time.end_unix_nano)
    ends = spans.ends[spans.is_inside]
    end = min(time.end_unix_nano, max(end, int(ends.max()) if len(ends) else end))
    past_ids: Sequence[int] = ()
    past = TimeRange(begin, begin)
    if has_begin:
        past = TimeRange(
            max(TimeRange().start_unix_nano, begin - max(_SHORTEST_PAST_NS, end - begin)), begin
        )
        past_ids, *_ = _found(reader, replace(query, time=past), reach.traces_before, reach.spans)
    before = _spans(reader, past_ids, past.start_unix_nano, past.end_unix_nano)
    seen = before.starts[before.is_inside]
    before_ns = begin - int(seen.min()) if len(seen) else 0
    logs, is_log_cut = _logs(
        reader, query, TimeRange(begin, max(end, begin + 1)), spans, reach.logs
    )
    logs_before = logs.slice(0, 0)
    if before_ns:
        logs_before, _ = _logs(
            reader, query, TimeRange(begin - before_ns, begin), before, reach.logs
        )
    notices = []
    if is_cut:
        notices.append(
            f"rules that look at many traces at once saw the newest {len(ids):,} traces only"
        )
    if is_log_cut:
        notices.append(f"of the error logs the newest {reach.logs:,} were looked at")
    measured = _measured(reader, spans, begin, end, least_pause_ns)
    window = Window(spans, before, logs, logs_before, begin, end, before_ns, measured)
    return Gathered(window, roots, tuple(notices))


def _found(
    reader: TraceReader, query: TraceQuery, most: int, most_spans: int
) -> tuple[list[int], dict[int, tuple[str, str, int]], bool, tuple[int, int]]:
    """Ids, their roots, whether there are more, and the first and last start among them."""
    found = reader.find_traces(replace(query, limit=most))
    table = found.traces
    counts = np.cumsum(table.column("span_count").to_numpy())
    kept = int(np.searchsorted(counts, most_spans, side="right"))
    is_cut = found.is_truncated or kept < table.num_rows
    table = table.slice(0, kept)
    names = ("trace_hi", "trace_lo", "root_service", "root_operation", "start_unix_nano")
    rows = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    roots = {
        join_trace_id(hi, lo): (service or "", operation or "", start)
        for hi, lo, service, operation, start in rows
    }
    starts = [start for _, _, start in roots.values()]
    return list(roots), roots, is_cut, (min(starts, default=0), max(starts, default=0))


def _spans(reader: TraceReader, ids: Sequence[int], begin: int, end: int) -> SpanColumns:
    parts: list[WholeTraces] = [
        reader.whole_traces(ids[at : at + _TRACES_A_READ], ATTRIBUTES)
        for at in range(0, max(1, len(ids)), _TRACES_A_READ)
    ]
    return span_columns(parts, begin, end)


def _measured(
    reader: TraceReader, spans: SpanColumns, begin: int, end: int, least_ns: int
) -> tuple[MeasuredPause, ...]:
    """Long pauses as measured by processes of these services; of a long window its newest hour."""
    first = max(begin, end - _MOST_MEASURED_NS)
    time = TimeRange(max(0, first - _POINTS_APART_NS), end + _POINTS_APART_NS)
    services = tuple(name for name in spans.service.texts if name)
    if not services:
        return ()
    found = reader.metric_points(MetricQuery(time, METRICS, services))
    return measured_pauses(replace(found, points=found.points.slice(0, _MOST_POINTS)), least_ns)


def _logs(
    reader: TraceReader, query: TraceQuery, time: TimeRange, spans: SpanColumns, most: int
) -> tuple[pa.Table, bool]:
    """Error records of this time with the rows of their spans. With conditions in the query
    only those of its traces."""
    found = reader.find_logs(LogQuery(time=time, least_severity=ERROR_LEVEL, limit=most))
    names = ("time_unix_nano", "trace_hi", "trace_lo", "span_id", "severity_number", "body",
             "service_name")  # fmt: skip
    table = found.logs.select(names)
    table = table.filter(pc.greater_equal(table.column("severity_number"), ERROR_LEVEL))
    columns = [
        pc.fill_null(table.column(name), 0).to_numpy().astype(np.uint64)
        for name in ("trace_hi", "trace_lo", "span_id")
    ]
    rows = spans.finder.rows(*columns)
    table = table.append_column("row", pa.array(rows, pa.int64()))
    if query.conditions:
        table = table.filter(pc.not_equal(table.column("row"), NO_ROW))
    return table, found.is_truncated
