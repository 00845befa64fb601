"""A store in plain Python objects: for tests and short demos, and to keep the ports honest."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from hashlib import blake2b

import pyarrow as pa

from longpole.formats.rows import logs_of, spans_of, telemetry_of_logs, telemetry_of_spans
from longpole.model import columns
from longpole.model.clock import Clock
from longpole.model.ids import split_trace_id
from longpole.model.log import LogRecord
from longpole.model.query import LogQuery, TraceQuery
from longpole.model.signals import Signal
from longpole.model.span import Span
from longpole.model.span_content import span_content
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.model.trace import Trace
from longpole.storage import memory_query as plain
from longpole.storage.memory_calls import MemoryCalls
from longpole.storage.memory_findings import findings
from longpole.storage.memory_logs import find_logs, log_counts
from longpole.storage.memory_parts import MemoryParts
from longpole.storage.memory_red import MemoryRed
from longpole.storage.memory_search import MemorySearch
from longpole.storage.memory_series import MemorySeries
from longpole.storage.memory_times import path_times
from longpole.storage.memory_totals import path_totals
from longpole.storage.memory_trace import KeptTrace
from longpole.storage.memory_views import MemoryViews
from longpole.storage.memory_whole import whole_traces
from longpole.storage.ports import (
    DerivedRows,
    FoundFindings,
    FoundLogs,
    FoundTraces,
    PathTimes,
    PathTotals,
    Receipt,
    ServiceInfo,
    SqlAnswer,
    StorageError,
    StorageUnavailable,
    StoreStatus,
    TraceSample,
    TraceState,
    Unsupported,
    WholeTraces,
)
from longpole.storage.query_checks import refuse_bad_regexes, unknown_key_notices

_CHUNK_SPANS = 10_000


class MemoryStore(MemoryParts, MemorySearch, MemoryRed, MemorySeries, MemoryCalls):
    """Every port of `Store` except SQL, without any file."""

    def __init__(
        self,
        clock: Clock,
        settle_after_seconds: float = 5.0,
        settle_at_most_seconds: float = 60.0,
        dedup_window_seconds: float = 900.0,
    ) -> None:
        self._clock = clock
        self._settle_after_ns = round(settle_after_seconds * 1e9)
        self._settle_at_most_ns = round(settle_at_most_seconds * 1e9)
        self._dedup_ns = round(dedup_window_seconds * 1e9)
        self._lock = threading.RLock()
        self._traces: dict[int, KeptTrace] = {}
        self._logs: list[LogRecord] = []
        self._log_requests: list[Telemetry] = []
        self._metrics: list[Telemetry] = []
        self._requests: dict[bytes, tuple[int, int]] = {}  # hash: when, sequence number
        self._next_sequence = 1
        self._colours: dict[str, int] = {}
        self._views = MemoryViews()
        self._counts: Counter[Signal] = Counter()
        self._repeated = 0
        self._closed = False

    # Intake

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        with self._lock:
            if self._closed:
                future.set_exception(StorageUnavailable("the store is closing; nothing was kept"))
            else:
                future.set_result(self._keep(telemetry))
        return future

    def _keep(self, telemetry: Telemetry) -> Receipt:
        if not telemetry.accepted:
            return Receipt(0)
        now = self._clock.monotonic_ns()
        body_hash = blake2b(telemetry.body, person=telemetry.signal.encode()).digest()
        earlier = self._requests.get(body_hash)
        if telemetry.has_time and earlier and now - earlier[0] <= self._dedup_ns:
            self._repeated += 1
            return Receipt(earlier[1], is_repeat=True)
        sequence = self._next_sequence
        self._next_sequence += 1
        self._requests[body_hash] = (now, sequence)
        self._counts[telemetry.signal] += telemetry.accepted
        match telemetry.signal:
            case Signal.TRACES:
                self._keep_spans(telemetry, columns.row_id_base(sequence), now)
            case Signal.LOGS:
                self._logs += logs_of(telemetry.tables)
                self._log_requests.append(telemetry)
            case Signal.METRICS:
                self._metrics.append(telemetry)
        return Receipt(sequence)

    def _keep_spans(self, telemetry: Telemetry, base: int, now: int) -> None:
        row_ids = telemetry.tables["spans"]["row_id"].to_pylist()
        for local, span in zip(row_ids, spans_of(telemetry.tables), strict=True):
            trace = self._traces.setdefault(span.trace_id, KeptTrace())
            trace.arrivals.append((base + local, now))
            self._colours.setdefault(span.service_name, len(self._colours))
            content = span_content(span)
            if content in trace.spans:
                trace.duplicates += 1
            else:
                trace.spans[content] = (base + local, span)

    @property
    def waiting_bytes(self) -> int:
        return 0

    # SettleFeed

    def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
        now = self._clock.monotonic_ns()
        with self._lock:
            due = [
                (arrivals[0], trace_id)
                for trace_id, trace in self._traces.items()
                if (arrivals := trace.unexplained)
                and (
                    now - arrivals[-1] >= self._settle_after_ns
                    or now - arrivals[0] >= self._settle_at_most_ns
                )
            ]
            chosen = [trace_id for _, trace_id in sorted(due)[:limit]]
            return self.whole_traces(chosen, attributes)

    def put_derived(self, rows: DerivedRows) -> None:
        settled = {state.trace_id: state for state in rows.settled}
        by_trace: dict[int, dict[str, list[dict[str, object]]]] = defaultdict(dict)
        for name, table in rows.tables.items():
            for row in table.to_pylist():
                trace_id = row["trace_hi"] << 64 | row["trace_lo"]
                by_trace[trace_id].setdefault(name, []).append(row)
        with self._lock:
            unknown = [
                t for t in {*settled, *by_trace} if t not in settled or t not in self._traces
            ]
            if unknown:
                raise StorageError(
                    f"derived rows for {len(unknown)} unknown traces; none were kept"
                )
            for trace_id, state in settled.items():
                self._explain(self._traces[trace_id], state, by_trace.get(trace_id, {}))

    def _explain(
        self, trace: KeptTrace, state: TraceState, rows: dict[str, list[dict[str, object]]]
    ) -> None:
        if state.revision <= trace.revision:
            return
        if not trace.revision:
            trace.first_through = state.through_row_id
        trace.revision = state.revision
        trace.through = state.through_row_id
        trace.derived = rows

    def leave_unexplained(self) -> None:
        """Count every trace as settled without derived rows: for whoever asks for single
        traces, which are explained when they are asked for."""
        with self._lock:
            for trace in self._traces.values():
                if trace.unexplained:
                    trace.revision += 1
                    trace.through = max(row_id for row_id, _ in trace.arrivals)
                    trace.first_through = trace.first_through or trace.through
                    trace.derived = {}

    def pending_traces(self) -> int:
        with self._lock:
            return sum(bool(trace.unexplained) for trace in self._traces.values())

    # TraceReader

    def trace(self, trace_id: int) -> Trace | None:
        with self._lock:
            kept = self._traces.get(trace_id)
            if kept is None:
                return None
            spans = tuple(span for _, span in kept.spans.values())
            return Trace(
                trace_id, spans, kept.revision, not kept.unexplained, kept.late, kept.clocks
            )

    def whole_traces(self, trace_ids: Sequence[int], attributes: Sequence[str]) -> WholeTraces:
        with self._lock:
            return whole_traces(self._traces, trace_ids, attributes)

    def find_traces(self, query: TraceQuery) -> FoundTraces:
        refuse_bad_regexes(query)
        with self._lock:
            rows = self._matching(query)
            spans = list(self._spans())
        notices = unknown_key_notices(
            query,
            {key for span in spans for key in span.attributes},
            {key for span in spans for key in span.resource.attributes},
        )
        kept = rows if query.limit is None else rows[: query.limit]
        return FoundTraces(plain.found_table(kept), len(kept) < len(rows), notices)

    def sample_traces(self, query: TraceQuery, most: int) -> TraceSample:
        notices = self.find_traces(query).notices
        with self._lock:
            ids = [row.trace_id for row in self._matching(query)]
        ids.sort(key=lambda trace_id: split_trace_id(trace_id)[::-1])
        return TraceSample(tuple(ids[:most]), len(ids), notices)

    def path_totals(self, query: TraceQuery, group_by: Sequence[str]) -> PathTotals:
        rows, segments = self._derived(query, "path_segments")
        return path_totals(rows, segments, group_by, self.find_traces(query).notices)

    def path_times(self, query: TraceQuery, group_by: Sequence[str]) -> PathTimes:
        rows, segments = self._derived(query, "path_segments")
        return path_times(rows, segments, group_by, self.find_traces(query).notices)

    def findings(self, query: TraceQuery) -> FoundFindings:
        rows, kept = self._derived(query, "findings")
        return findings(rows, kept, self.find_traces(query).notices)

    def _derived(
        self, query: TraceQuery, table: str
    ) -> tuple[list[plain.TraceRow], dict[int, list[dict[str, object]]]]:
        """Every matching trace, and the rows that one derived table has of each."""
        refuse_bad_regexes(query)
        with self._lock:
            rows = self._matching(query)
            return rows, {r.trace_id: self._traces[r.trace_id].derived.get(table, []) for r in rows}

    def _matching(self, query: TraceQuery) -> list[plain.TraceRow]:
        """Every matching trace, newest first."""
        rows = [
            self.row_of(trace_id, trace)
            for trace_id, trace in self._traces.items()
            if any(plain.span_matches(span, query) for _, span in trace.spans.values())
        ]
        matching = (row for row in rows if plain.trace_matches(row, query))
        return sorted(matching, key=lambda row: row.newest_first)

    def kept(self) -> Mapping[int, KeptTrace]:
        with self._lock:
            return dict(self._traces)

    def row_of(self, trace_id: int, trace: KeptTrace) -> plain.TraceRow:
        derived = trace.derived.get("traces", [])
        if derived and not trace.unexplained:
            return plain.TraceRow(trace_id, {**derived[0], "is_settled": True})
        spans = [span for _, span in trace.spans.values()]
        return plain.plain_row(trace_id, spans, trace.revision)

    def logs_of_trace(self, trace_id: int) -> tuple[LogRecord, ...]:
        with self._lock:
            found = [log for log in self._logs if log.trace_id == trace_id]
        return tuple(sorted(found, key=lambda log: log.time_unix_nano))

    def find_logs(self, query: LogQuery) -> FoundLogs:
        with self._lock:
            requests = list(self._log_requests)
        return find_logs(requests, query)

    def log_counts(self, query: LogQuery, step_ns: int) -> pa.Table:
        return log_counts(self.find_logs(replace(query, limit=None)).logs, step_ns)

    def metric_requests(self) -> Sequence[Telemetry]:
        with self._lock:
            return list(self._metrics)

    def services(self, time: TimeRange) -> tuple[ServiceInfo, ...]:
        by_name: dict[str, list[Span]] = defaultdict(list)
        with self._lock:
            for span in self._spans():
                if time.start_unix_nano <= span.start_unix_nano < time.end_unix_nano:
                    by_name[span.service_name].append(span)
        return tuple(
            ServiceInfo(
                name,
                len(spans),
                sum(span.is_error for span in spans),
                min(span.start_unix_nano for span in spans),
                max(span.start_unix_nano for span in spans),
                tuple(sorted({span.name for span in spans})),
            )
            for name, spans in sorted(by_name.items())
        )

    def service_colours(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._colours)

    def attribute_keys(self) -> Mapping[str, str]:
        types: dict[str, str] = {}
        with self._lock:
            for span in self._spans():
                for attributes in (span.attributes, span.resource.attributes):
                    for key, value in attributes.items():
                        mine = plain.sql_type(value)
                        types[key] = plain.widest(types.get(key, mine), mine)
        return dict(sorted(types.items()))

    def _spans(self) -> Iterator[Span]:
        for trace in self._traces.values():
            for _, span in trace.spans.values():
                yield span

    # Exporter and SqlReader

    def export(self, signal: Signal, query: TraceQuery | None = None) -> Iterator[Telemetry]:
        if query is not None and signal is Signal.METRICS:
            raise Unsupported("metrics belong to no trace, so no trace query selects them")
        with self._lock:
            wanted = set(self._traces)
            if query is not None:
                refuse_bad_regexes(query)
                wanted = {row.trace_id for row in self._matching(query)[: query.limit]}
            spans = [span for span in self._spans() if span.trace_id in wanted]
            logs = [log for log in self._logs if query is None or log.trace_id in wanted]
            metrics = list(self._metrics)
        match signal:
            case Signal.TRACES:
                for start in range(0, len(spans), _CHUNK_SPANS):
                    yield telemetry_of_spans(spans[start : start + _CHUNK_SPANS])
            case Signal.LOGS:
                for start in range(0, len(logs), _CHUNK_SPANS):
                    yield telemetry_of_logs(logs[start : start + _CHUNK_SPANS])
            case Signal.METRICS:
                yield from metrics

    def sql(self, text: str, max_rows: int = 10_000, timeout_seconds: float = 60.0) -> SqlAnswer:
        raise Unsupported("the in-memory store cannot answer SQL; the DuckDB store can")

    # Upkeep

    def tick(self) -> None:
        """Nothing is ever due: there are no files."""

    def seal(self) -> None:
        """Nothing to seal: there are no files."""

    def status(self) -> StoreStatus:
        with self._lock:
            starts = [span.start_unix_nano for span in self._spans()]
            traces = list(self._traces.values())
            return StoreStatus(
                engine="memory",
                is_replayed=True,
                record_counts={signal: self._counts[signal] for signal in Signal},
                hot_rows=sum(self._counts.values()),
                segment_count=0,
                segment_bytes=0,
                journal_bytes=0,
                free_bytes=0,
                oldest_unix_nano=min(starts, default=None),
                newest_unix_nano=max(starts, default=None),
                settled_traces=sum(t.revision > 0 for t in traces),
                pending_traces=self.pending_traces(),
                superseded_revisions=sum(max(0, t.revision - 1) for t in traces),
                repeated_requests=self._repeated,
                duplicate_spans_dropped=sum(t.duplicates for t in traces),
            )

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def derived_table(self, name: str) -> pa.Table:
        """The current derived rows of one table, for tests that look at what was put."""
        with self._lock:
            rows = [row for t in self._traces.values() for row in t.derived.get(name, [])]
        return pa.Table.from_pylist(rows, schema=columns.DERIVED_TABLES[name])
