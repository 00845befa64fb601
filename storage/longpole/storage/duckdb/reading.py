"""Hands every reading question on to the one `Reader` of a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model.log import LogRecord
from longpole.model.query import LogQuery, MetricQuery, TraceQuery
from longpole.model.signals import Signal
from longpole.model.span import Span
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.model.trace import Trace
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
    from longpole.storage.duckdb.read.reader import Reader


class Reading(ABC):
    """`TraceReader`, `Exporter` and `SqlReader`, for a store that has a reader: it is made at
    the first question, since a server accepts data before it has paid for DuckDB's import."""

    @property
    @abstractmethod
    def _reader(self) -> Reader:
        """Made when first asked for."""

    def trace(self, trace_id: int) -> Trace | None:
        """See `ports.TraceReader`."""
        return self._reader.trace(trace_id)

    def whole_traces(self, trace_ids: Sequence[int], attributes: Sequence[str]) -> WholeTraces:
        """See `ports.TraceReader`."""
        return self._reader.whole_traces(trace_ids, attributes)

    def trace_version(self, trace_id: int) -> TraceVersion | None:
        """See `trace_parts.TraceParts`."""
        return self._reader.trace_version(trace_id)

    def spans_of(self, trace_id: int, span_ids: Sequence[int]) -> tuple[Span, ...]:
        """See `trace_parts.TraceParts`."""
        return self._reader.spans_of(trace_id, span_ids)

    def events_of_trace(self, trace_id: int) -> pa.Table:
        """See `trace_parts.TraceParts`."""
        return self._reader.events_of_trace(trace_id)

    def trace_tables(self, trace_ids: Sequence[int]) -> Mapping[str, pa.Table]:
        """See `trace_tables.TraceTables`."""
        return self._reader.trace_tables(trace_ids)

    def attribute_places(self) -> Mapping[tuple[str, str], str]:
        """See `trace_tables.TraceTables`."""
        return self._reader.attribute_places()

    def settled_rows(self, trace_ids: Sequence[int], table: str) -> pa.Table:
        """See `trace_parts.TraceParts`."""
        return self._reader.settled_rows(trace_ids, table)

    def find_traces(self, query: TraceQuery) -> FoundTraces:
        """See `ports.TraceReader`."""
        return self._reader.find_traces(query)

    def sample_traces(self, query: TraceQuery, most: int) -> TraceSample:
        """See `ports.TraceReader`."""
        return self._reader.sample_traces(query, most)

    def search_traces(
        self,
        query: TraceQuery,
        order: TraceOrder,
        roots: TimeRange,
        most: int = 20_000,
        enough: int = 500,
        with_unsettled: bool = True,
    ) -> SearchedTraces:
        """See `search_ports.TraceSearcher`."""
        return self._reader.search_traces(query, order, roots, most, enough, with_unsettled)

    def span_values(
        self, query: TraceQuery, trace_ids: Sequence[int], keys: Sequence[SpanKey], most: int
    ) -> SpanValues:
        """See `search_ports.TraceSearcher`."""
        return self._reader.span_values(query, trace_ids, keys, most)

    def path_segments(self, trace_ids: Sequence[int], most: int) -> pa.Table:
        """See `search_ports.TraceSearcher`."""
        return self._reader.path_segments(trace_ids, most)

    def root_runs(self, service: str, operation: str, roots: TimeRange, most: int) -> pa.Table:
        """See `search_ports.TraceSearcher`."""
        return self._reader.root_runs(service, operation, roots, most)

    def path_totals(self, query: TraceQuery, group_by: Sequence[str]) -> PathTotals:
        """See `ports.TraceReader`."""
        return self._reader.path_totals(query, group_by)

    def path_times(self, query: TraceQuery, group_by: Sequence[str]) -> PathTimes:
        """See `ports.TraceReader`."""
        return self._reader.path_times(query, group_by)

    def findings(self, query: TraceQuery) -> FoundFindings:
        """See `ports.TraceReader`."""
        return self._reader.findings(query)

    def red_rows(self, time: TimeRange, service: str, operation: str) -> pa.Table:
        """See `ports.TraceReader`."""
        return self._reader.red_rows(time, service, operation)

    def red_series(self, query: RedQuery) -> RedSeries:
        """See `ports.TraceReader`."""
        return self._reader.red_series(query)

    def path_series(self, query: PathSeriesQuery) -> pa.Table:
        """See `ports.TraceReader`."""
        return self._reader.path_series(query)

    def call_series(self, query: CallSeriesQuery) -> pa.Table:
        """See `ports.CallReader`."""
        return self._reader.call_series(query)

    def logs_of_trace(self, trace_id: int) -> tuple[LogRecord, ...]:
        """See `ports.TraceReader`."""
        return self._reader.logs_of_trace(trace_id)

    def find_logs(self, query: LogQuery) -> FoundLogs:
        """See `ports.TraceReader`."""
        return self._reader.find_logs(query)

    def log_counts(self, query: LogQuery, step_ns: int) -> pa.Table:
        """See `ports.TraceReader`."""
        return self._reader.log_counts(query, step_ns)

    def metric_points(self, query: MetricQuery) -> MetricPoints:
        """See `ports.TraceReader`."""
        return self._reader.metric_points(query)

    def metric_series(self, time: TimeRange, is_exact: bool) -> MetricSeries:
        """See `ports.MetricReader`."""
        return self._reader.metric_series(time, is_exact)

    def series_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[str], most: int
    ) -> pa.Table:
        """See `ports.MetricReader`."""
        return self._reader.series_points(series_ids, time, columns, most)

    def number_points(self, series_ids: Sequence[int], time: TimeRange, most: int) -> NumberPoints:
        """See `ports.MetricReader`."""
        return self._reader.number_points(series_ids, time, most)

    def histogram_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[HistogramColumn],
        most: int,
    ) -> Sequence[NumberPoints]:  # fmt: skip
        """See `ports.MetricReader`."""
        return self._reader.histogram_points(series_ids, time, columns, most)

    def resource_times(self, time: TimeRange, step_ns: int) -> pa.Table:
        """See `ports.MetricReader`."""
        return self._reader.resource_times(time, step_ns)

    def services(self, time: TimeRange) -> tuple[ServiceInfo, ...]:
        """See `ports.TraceReader`."""
        return self._reader.services(time)

    def service_colours(self) -> Mapping[str, int]:
        """See `ports.TraceReader`."""
        return self._reader.service_colours()

    def attribute_keys(self) -> Mapping[str, str]:
        """See `ports.TraceReader`."""
        return self._reader.attribute_keys()

    def export(self, signal: Signal, query: TraceQuery | None = None) -> Iterator[Telemetry]:
        """See `ports.Exporter`."""
        return self._reader.export(signal, query)

    def sql(self, text: str, max_rows: int = 10_000, timeout_seconds: float = 60.0) -> SqlAnswer:
        """See `ports.SqlReader`."""
        return self._reader.sql(text, max_rows, timeout_seconds)
