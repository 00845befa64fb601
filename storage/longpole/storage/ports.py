"""What storage promises, whatever engine keeps the data.

Two implementations stand behind these ports, `memory.MemoryStore` and the DuckDB engine;
`tests/storage/conformance.py` is the one suite that both pass. A port method may be called
from any thread. Arguments are never changed; what comes back belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import pyarrow as pa

from longpole.model.log import LogRecord
from longpole.model.problem import Problem
from longpole.model.query import LogQuery, MetricQuery, TraceQuery
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.model.trace import Trace
from longpole.storage.call_ports import CallReader as CallReader
from longpole.storage.found_records import FoundLogs as FoundLogs
from longpole.storage.found_records import MetricPoints as MetricPoints
from longpole.storage.histogram_blocks import HistogramColumn as HistogramColumn
from longpole.storage.metric_ports import MetricReader as MetricReader
from longpole.storage.metric_ports import MetricSeries as MetricSeries
from longpole.storage.number_points import NumberPoints as NumberPoints
from longpole.storage.path_answers import PATH_GROUP_COLUMNS as PATH_GROUP_COLUMNS
from longpole.storage.path_answers import Coverage as Coverage
from longpole.storage.path_answers import PathTimes as PathTimes
from longpole.storage.path_answers import PathTotals as PathTotals
from longpole.storage.receipt import DiskFull as DiskFull
from longpole.storage.receipt import Overloaded as Overloaded
from longpole.storage.receipt import Receipt as Receipt
from longpole.storage.receipt import StorageError as StorageError
from longpole.storage.receipt import StorageUnavailable as StorageUnavailable
from longpole.storage.red_answers import CallSeriesQuery as CallSeriesQuery
from longpole.storage.red_answers import PathSeriesQuery as PathSeriesQuery
from longpole.storage.red_answers import RedQuery as RedQuery
from longpole.storage.red_answers import RedSeries as RedSeries
from longpole.storage.search_ports import TraceSearcher as TraceSearcher
from longpole.storage.trace_parts import TraceParts as TraceParts
from longpole.storage.trace_parts import TraceVersion as TraceVersion
from longpole.storage.trace_parts import ViewShelf as ViewShelf
from longpole.storage.trace_tables import TraceTables as TraceTables


class QueryRefused(StorageError):
    """The question itself is at fault: SQL that does not parse, a statement that is not a
    SELECT, a regex that RE2 refuses. The message is for the person who asked."""


class QueryTimedOut(StorageError):
    """The question took longer than its limit and was stopped."""


class Unsupported(StorageError):
    """This engine cannot answer that kind of question at all ("cannot say", not "no")."""


class Intake(Protocol):
    """Takes decoded requests and makes them durable."""

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        """Keep one request.

        Returns at once. The future completes when the request is on disk (after fdatasync)
        *and* its rows are visible to every reader of this store, whichever comes last. A
        request equal to one accepted within the dedup window completes once that first one
        is durable, is not stored again, and says `is_repeat`; requests with
        `telemetry.has_time` false are never repeats. A request of zero records completes
        at once and stores nothing. Fails with `Overloaded` or `StorageUnavailable`; then
        no reader will ever see any part of it, save when a crash hid an fdatasync that
        succeeded.
        """
        ...

    @property
    def waiting_bytes(self) -> int:
        """Bytes of request bodies that are submitted and not yet durable."""
        ...


class TraceState(NamedTuple):
    """One trace of a `WholeTraces`: which revision its derived rows will be (the previous
    one plus 1), the highest row id among its spans, how many of its spans arrived after
    the first revision, how many exact duplicates were left out, and what its latest derived
    row says of the clocks (`columns.TRACES`; None without such a row)."""

    trace_id: int
    revision: int
    through_row_id: int
    late: int = 0
    duplicates: int = 0
    clocks: str | None = None


@dataclass(frozen=True, slots=True)
class WholeTraces:
    """Whole traces for analysis, as columns.

    `spans` is sorted by (trace_hi, trace_lo, row_id), exact duplicates removed. Its columns
    are `WHOLE_TRACE_COLUMNS`, then one string column for each attribute asked for, named by
    its key: the span's attribute, else the resource's, as text (integers in decimal,
    booleans as true/false, "other" values as JSON), null where there is none.
    `links` has row_id, linked_trace_hi, linked_trace_lo and linked_span_id of those spans.
    `traces` has one entry per trace, in the order of `spans`.
    """

    spans: pa.Table
    links: pa.Table
    traces: tuple[TraceState, ...]


WHOLE_TRACE_COLUMNS = (
    "row_id",
    "trace_hi",
    "trace_lo",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start_unix_nano",
    "duration_ns",
    "status_code",
    "status_message",
    "service_name",
)


@dataclass(frozen=True, slots=True)
class DerivedRows:
    """What the analyzer worked out about the traces of `settled`.

    `tables` has the tables of `columns.DERIVED_TABLES`, each row carrying trace id and
    revision; a missing table means no rows.
    """

    settled: tuple[TraceState, ...]
    tables: Mapping[str, pa.Table]


class SettleFeed(Protocol):
    """Where the settle loop gets quiet traces and leaves what it found."""

    def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
        """Up to `limit` traces in which no span arrived for `settle_after`, or whose first
        unexplained span arrived `settle_at_most` ago; oldest first, whole (spans that were
        stored long ago included). Empty when nothing is quiet. The traces stay pending
        until `put_derived` answers for them; asked again without an answer, the same
        traces come back.
        """
        ...

    def put_derived(self, rows: DerivedRows) -> None:
        """Keep derived rows; each revision replaces the one before it in every view at
        once. Spans that arrived since the hand-out keep the trace pending. Putting the
        same revision twice changes nothing. Rows for an unknown trace are an error.
        """
        ...

    def pending_traces(self) -> int:
        """How many traces hold spans that no derived row accounts for."""
        ...


# Rows that `find_traces` returns: `columns.TRACES` and whether the row is derived. A trace
# that is not settled has revision 0 or its last revision, counts and root taken from its
# spans by the plain rule (longest span without a parent, else longest span), and an empty
# verdict.
FOUND_TRACE_EXTRA = pa.field("is_settled", pa.bool_())


@dataclass(frozen=True, slots=True)
class FoundTraces:
    """Matching traces, newest root start first. `is_truncated`: more match than the limit
    let through. `notices` are for the person who asked (an unknown attribute key …)."""

    traces: pa.Table
    is_truncated: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TraceSample:
    """Some of the traces that match, and how many match in all. `notices` as in `FoundTraces`."""

    trace_ids: tuple[int, ...]
    matched: int
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundFindings:
    """What the detectors found in many traces, from derived rows only.

    `findings` has `columns.FINDINGS`, then `root_service` and `root_operation` of the trace, in
    no order. `roots` has `root_service`, `root_operation` and `trace_count` of every settled
    trace that matches, whether anything was found in it or not, in no order. `unsettled` are
    the matching traces that have no current derived rows.
    """

    findings: pa.Table
    roots: pa.Table
    coverage: Coverage
    unsettled: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """A service that sent spans; times are span starts."""

    name: str
    span_count: int
    error_count: int
    first_seen_unix_nano: int
    last_seen_unix_nano: int
    operations: tuple[str, ...] = ()


class TraceReader(TraceSearcher, TraceParts, TraceTables, MetricReader, CallReader, Protocol):
    """Finds traces and reads them back as they were sent."""

    def trace(self, trace_id: int) -> Trace | None:
        """The whole trace with every attribute, event and link, exact duplicates removed;
        None for an unknown id. Never waits for settling or sealing."""
        ...

    def whole_traces(self, trace_ids: Sequence[int], attributes: Sequence[str]) -> WholeTraces:
        """Those traces as columns; unknown ids are left out."""
        ...

    def find_traces(self, query: TraceQuery) -> FoundTraces:
        """Traces that match, settled or not. Regexes that do not compile raise
        `QueryRefused`; a key that no span ever had matches nothing and gives a notice."""
        ...

    def sample_traces(self, query: TraceQuery, most: int) -> TraceSample:
        """The ids of at most `most` matching traces, those with the lowest low halves (then the
        lowest high halves), in that order: W3C wants that half random, so this is a fair draw,
        and the same one for the same data. `query.limit` does not apply. Raises as
        `find_traces` does."""
        ...

    def path_totals(self, query: TraceQuery, group_by: Sequence[str]) -> PathTotals:
        """Critical-path time over every matching trace; `query.limit` does not apply.
        `group_by` is drawn from `PATH_GROUP_COLUMNS`, else ValueError."""
        ...

    def path_times(self, query: TraceQuery, group_by: Sequence[str]) -> PathTimes:
        """The same for each trace apart."""
        ...

    def findings(self, query: TraceQuery) -> FoundFindings:
        """What was found in every matching trace; `query.limit` does not apply. Raises as
        `find_traces` does."""
        ...

    def red_rows(self, time: TimeRange, service: str, operation: str) -> pa.Table:
        """Rate, errors and durations of one operation of one service, from derived rows only.

        One row for each step, kind and status, in the columns of `answers.RED_TOTALS`: sums over
        every settled trace at its latest revision, steps that begin in `time`, oldest first. No
        rows for what is unknown.
        """
        ...

    def red_series(self, query: RedQuery) -> RedSeries:
        """Rate, errors, durations and critical-path time of services or operations over time,
        from derived rows only. Nothing for what is unknown. Quick enough for a page view,
        however many traces there are."""
        ...

    def path_series(self, query: PathSeriesQuery) -> pa.Table:
        """Critical-path time over time, from derived rows only, in the columns of
        `answers.PATH_SERIES`: exact sums over the latest revisions, by all columns in order. A
        segment belongs to the step in which it ends."""
        ...

    def logs_of_trace(self, trace_id: int) -> tuple[LogRecord, ...]:
        """Log records with this trace id, by time; empty when there are none."""
        ...

    def find_logs(self, query: LogQuery) -> FoundLogs:
        """Log records that match, of whatever trace or none."""
        ...

    def log_counts(self, query: LogQuery, step_ns: int) -> pa.Table:
        """How many log records match, in the columns of `answers.LOG_COUNTS`: by step (its start,
        a multiple of `step_ns`), severity number, and severity text where the number is none of
        1 to 24 (20 characters of it; else empty); `query.limit` does not apply. In order; empty
        when none match."""
        ...

    def metric_points(self, query: MetricQuery) -> MetricPoints:
        """Metric points that match, with their series."""
        ...

    def services(self, time: TimeRange) -> tuple[ServiceInfo, ...]:
        """Services whose spans start in that range, by name, with their operations."""
        ...

    def service_colours(self) -> Mapping[str, int]:
        """A number for each service that ever sent spans: 0 for the first one, 1 for the next,
        given once, so the same after a restart and for every reader. Cheap enough for every
        page view."""
        ...

    def attribute_keys(self) -> Mapping[str, str]:
        """Every span and resource attribute key with its SQL type, from a catalog."""
        ...


class Exporter(Protocol):
    """Reads everything back out."""

    def export(self, signal: Signal, query: TraceQuery | None = None) -> Iterator[Telemetry]:
        """All records of a signal in chunks of bounded size, each a valid request. With a
        query (traces and logs only): those of the matching traces, `limit` included. The
        chunks together hold each record once."""
        ...


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """Rows of a query, at most `max_rows` of them; `is_truncated` says that there are more."""

    rows: pa.Table
    is_truncated: bool = False
    notices: tuple[str, ...] = ()


class SqlReader(Protocol):
    """Read-only SQL over the views `spans`, `span_events`, `span_links`, `logs`,
    `metric_points`, `traces`, `path_segments`, `findings`, `red`."""

    def sql(self, text: str, max_rows: int = 10_000, timeout_seconds: float = 60.0) -> SqlAnswer:
        """Run one SELECT in a locked-down connection: no files, no settings, no second
        statement. Raises `QueryRefused`, `QueryTimedOut`, or `Unsupported`."""
        ...


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """What is kept and how it is doing; sizes in bytes. `problems` are things that a person
    should know: quarantined files, lost bytes, a full disk."""

    engine: str
    is_replayed: bool
    record_counts: Mapping[Signal, int]
    hot_rows: int
    segment_count: int
    segment_bytes: int
    journal_bytes: int
    free_bytes: int
    oldest_unix_nano: int | None
    newest_unix_nano: int | None
    settled_traces: int
    pending_traces: int
    superseded_revisions: int
    repeated_requests: int
    duplicate_spans_dropped: int
    losses: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class Upkeep(Protocol):
    """The chores of a store; the wiring calls `tick` about once a second."""

    def tick(self) -> None:
        """Do what is due of sealing, compaction and retention. Never raises for a
        chore that failed: that is counted and reported by `status`."""
        ...

    def seal(self) -> None:
        """Seal everything hot now; returns when it is durable. Nothing hot: no effect."""
        ...

    def status(self) -> StoreStatus:
        """Counts and health, cheap enough for every page view."""
        ...

    def close(self) -> None:
        """Refuse new requests, finish those submitted, seal, give everything back. A second
        call has no effect."""
        ...


class Store(Intake, SettleFeed, ViewShelf, TraceReader, Exporter, SqlReader, Upkeep, Protocol):
    """Everything an engine does; rooms ask for the narrow port that they need."""
