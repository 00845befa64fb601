"""Answers every reading question of the ports over leased snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model.log import LogRecord
from longpole.model.query import LogQuery, MetricQuery, TraceQuery
from longpole.model.signals import Signal
from longpole.model.span import Span
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.model.trace import Trace
from longpole.storage.duckdb.read.asking_again import Answer, answer_once, asking_again
from longpole.storage.duckdb.read.attributes import literal_attribute
from longpole.storage.duckdb.read.call_series import CallCubes, read_call_series
from longpole.storage.duckdb.read.export import export_chunks
from longpole.storage.duckdb.read.findings import read_findings
from longpole.storage.duckdb.read.found_logs import read_found_logs, read_log_counts
from longpole.storage.duckdb.read.listed_keys import ListedKeys
from longpole.storage.duckdb.read.metric_points import read_metric_points
from longpole.storage.duckdb.read.metric_series import (
    SeriesCache,
    read_metric_series,
    read_resource_times,
    read_series_points,
)
from longpole.storage.duckdb.read.newest_search import find
from longpole.storage.duckdb.read.number_points import (
    NumberBlocks,
    read_histogram_points,
    read_number_points,
)
from longpole.storage.duckdb.read.ordered_search import search
from longpole.storage.duckdb.read.part import prepared
from longpole.storage.duckdb.read.path_segments import read_path_segments
from longpole.storage.duckdb.read.path_series import read_path_series
from longpole.storage.duckdb.read.path_times import read_path_times
from longpole.storage.duckdb.read.red import read_red
from longpole.storage.duckdb.read.red_series import RedCubes, read_red_series
from longpole.storage.duckdb.read.root_runs import read_root_runs
from longpole.storage.duckdb.read.sample import read_sample
from longpole.storage.duckdb.read.services import read_services
from longpole.storage.duckdb.read.span_values import read_span_values
from longpole.storage.duckdb.read.sql_reader import run_sql
from longpole.storage.duckdb.read.totals import totals
from longpole.storage.duckdb.read.trace_parts import (
    read_events,
    read_settled_rows,
    read_spans_of,
    read_version,
)
from longpole.storage.duckdb.read.trace_rows import TraceRows
from longpole.storage.duckdb.read.trace_tables import read_trace_tables
from longpole.storage.duckdb.read.traces import read_logs, read_trace
from longpole.storage.duckdb.read.whole import read_whole_traces
from longpole.storage.duckdb.snapshot import Snapshot, SnapshotSource
from longpole.storage.histogram_blocks import HistogramColumn
from longpole.storage.number_points import NumberPoints
from longpole.storage.ports import (
    CallSeriesQuery,
    FoundFindings,
    FoundLogs,
    FoundTraces,
    MetricPoints,
    MetricSeries,
    PathSeriesQuery,
    PathTimes,
    PathTotals,
    RedQuery,
    RedSeries,
    ServiceInfo,
    SqlAnswer,
    TraceSample,
    TraceVersion,
    WholeTraces,
)
from longpole.storage.search_ports import SearchedTraces, SpanKey, SpanValues, TraceOrder

if TYPE_CHECKING:
    import duckdb


@asking_again
class Reader:
    """`TraceReader`, `Exporter` and `SqlReader` over whatever hands out leases.

    `sql_memory_bytes` and `sql_threads` bound one query of `sql`, which runs in an instance
    of its own. `answer` asks a question, again if something had to be repaired for it.
    """

    def __init__(
        self,
        source: SnapshotSource,
        sql_memory_bytes: int = 1 << 30,
        sql_threads: int = 2,
        answer: Answer = answer_once,
    ) -> None:
        self._source = source
        self.answer = answer
        self._sql_memory_bytes = sql_memory_bytes
        self._sql_threads = sql_threads
        self._red_cubes = RedCubes()
        self._path_cubes = RedCubes()
        self._call_cubes = CallCubes()
        self._metric_series = SeriesCache()
        self._number_blocks = NumberBlocks()
        self._trace_rows = TraceRows()
        self._listed_keys = ListedKeys()
        self._root_runs = RedCubes(most_rows=500_000)
        self._resource_values = RedCubes(most_rows=200_000)

    @contextmanager
    def _session(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, Snapshot]]:
        with self._source.lease() as lease:
            connection = lease.cursor()
            yield connection, prepared(connection, lease.snapshot)

    def trace(self, trace_id: int) -> Trace | None:
        with self._session() as (connection, snapshot):
            return read_trace(connection, snapshot, trace_id)

    def whole_traces(self, trace_ids: Sequence[int], attributes: Sequence[str]) -> WholeTraces:
        with self._session() as (connection, snapshot):
            return read_whole_traces(connection, snapshot, trace_ids, attributes)

    def trace_version(self, trace_id: int) -> TraceVersion | None:
        with self._session() as (connection, snapshot):
            return read_version(connection, snapshot, trace_id)

    def spans_of(self, trace_id: int, span_ids: Sequence[int]) -> tuple[Span, ...]:
        with self._session() as (connection, snapshot):
            return read_spans_of(connection, snapshot, trace_id, span_ids)

    def events_of_trace(self, trace_id: int) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_events(connection, snapshot, trace_id)

    def trace_tables(self, trace_ids: Sequence[int]) -> Mapping[str, pa.Table]:
        with self._session() as (connection, snapshot):
            return read_trace_tables(connection, snapshot, trace_ids)

    def attribute_places(self) -> Mapping[tuple[str, str], str]:
        with self._source.lease() as lease:
            return lease.snapshot.attribute_types

    def settled_rows(self, trace_ids: Sequence[int], table: str) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_settled_rows(connection, snapshot, trace_ids, table)

    def find_traces(self, query: TraceQuery) -> FoundTraces:
        with self._session() as (connection, snapshot):
            return find(connection, snapshot, query, self._trace_rows)

    def sample_traces(self, query: TraceQuery, most: int) -> TraceSample:
        with self._session() as (connection, snapshot):
            return read_sample(connection, snapshot, query, most)

    def search_traces(
        self,
        query: TraceQuery,
        order: TraceOrder,
        roots: TimeRange,
        most: int,
        enough: int,
        with_unsettled: bool = True,
    ) -> SearchedTraces:
        with self._session() as (connection, snapshot):
            return search(connection, snapshot, query, order, roots, most, enough, with_unsettled)

    def span_values(
        self, query: TraceQuery, trace_ids: Sequence[int], keys: Sequence[SpanKey], most: int
    ) -> SpanValues:
        with self._session() as (connection, snapshot):
            return read_span_values(
                connection,
                snapshot,
                query,
                trace_ids,
                keys,
                most,
                self._listed_keys,
                self._resource_values,
            )

    def path_segments(self, trace_ids: Sequence[int], most: int) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_path_segments(connection, snapshot, trace_ids, most, self._trace_rows)

    def root_runs(self, service: str, operation: str, roots: TimeRange, most: int) -> pa.Table:
        root = service, operation
        with self._session() as (connection, snapshot):
            return read_root_runs(connection, snapshot, root, roots, most, self._root_runs)

    def path_totals(self, query: TraceQuery, group_by: Sequence[str]) -> PathTotals:
        with self._session() as (connection, snapshot):
            return totals(connection, snapshot, query, group_by)

    def path_times(self, query: TraceQuery, group_by: Sequence[str]) -> PathTimes:
        with self._session() as (connection, snapshot):
            return read_path_times(connection, snapshot, query, group_by)

    def findings(self, query: TraceQuery) -> FoundFindings:
        with self._session() as (connection, snapshot):
            return read_findings(connection, snapshot, query)

    def red_rows(self, time: TimeRange, service: str, operation: str) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_red(connection, snapshot, time, service, operation, self._red_cubes)

    def red_series(self, query: RedQuery) -> RedSeries:
        with self._session() as (connection, snapshot):
            return read_red_series(connection, snapshot, query, self._red_cubes)

    def path_series(self, query: PathSeriesQuery) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_path_series(connection, snapshot, query, self._path_cubes)

    def call_series(self, query: CallSeriesQuery) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_call_series(connection, snapshot, query, self._call_cubes)

    def logs_of_trace(self, trace_id: int) -> tuple[LogRecord, ...]:
        with self._session() as (connection, snapshot):
            return read_logs(connection, snapshot, trace_id)

    def find_logs(self, query: LogQuery) -> FoundLogs:
        with self._session() as (connection, snapshot):
            return read_found_logs(connection, snapshot, query)

    def log_counts(self, query: LogQuery, step_ns: int) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_log_counts(connection, snapshot, query, step_ns)

    def metric_points(self, query: MetricQuery) -> MetricPoints:
        with self._session() as (connection, snapshot):
            return read_metric_points(connection, snapshot, query)

    def metric_series(self, time: TimeRange, is_exact: bool) -> MetricSeries:
        with self._session() as (connection, snapshot):
            return read_metric_series(connection, snapshot, time, is_exact, self._metric_series)

    def series_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[str], most: int
    ) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_series_points(connection, snapshot, series_ids, time, columns, most)

    def number_points(self, series_ids: Sequence[int], time: TimeRange, most: int) -> NumberPoints:
        with self._session() as (connection, snapshot):
            return read_number_points(
                connection, snapshot, series_ids, time, most, self._number_blocks
            )

    def histogram_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[HistogramColumn],
        most: int,
    ) -> Sequence[NumberPoints]:  # fmt: skip
        with self._session() as (connection, snapshot):
            return read_histogram_points(
                connection, snapshot, series_ids, time, columns, most, self._number_blocks
            )

    def resource_times(self, time: TimeRange, step_ns: int) -> pa.Table:
        with self._session() as (connection, snapshot):
            return read_resource_times(connection, snapshot, time, step_ns)

    def services(self, time: TimeRange) -> tuple[ServiceInfo, ...]:
        with self._session() as (connection, snapshot):
            return read_services(connection, snapshot, time, self._red_cubes)

    def service_colours(self) -> Mapping[str, int]:
        with self._source.lease() as lease:
            return lease.snapshot.service_colours

    def attribute_keys(self) -> Mapping[str, str]:
        with self._source.lease() as lease:
            types = lease.snapshot.attribute_types
        keys = sorted({key for scope, key in types if scope in ("span", "resource")})
        return {key: literal_attribute(key, "span", types).sql_type for key in keys}

    def export(self, signal: Signal, query: TraceQuery | None = None) -> Iterator[Telemetry]:
        with self._session() as (connection, snapshot):
            yield from export_chunks(connection, snapshot, signal, query)

    def sql(self, text: str, max_rows: int = 10_000, timeout_seconds: float = 60.0) -> SqlAnswer:
        return run_sql(
            self._source,
            text,
            max_rows,
            timeout_seconds,
            self._sql_memory_bytes,
            self._sql_threads,
        )
