"""Settlement: hands quiet traces out, and takes what the analyzer found about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from longpole.model import columns
from longpole.model.ids import join_trace_id, split_trace_id, trace_id_hex
from longpole.storage.duckdb.hot import SETTLEMENTS
from longpole.storage.duckdb.leases import LeaseBook
from longpole.storage.duckdb.snapshot import Segment, Snapshot
from longpole.storage.duckdb.state import EngineState
from longpole.storage.duckdb.unfolding import settlements_of
from longpole.storage.ports import DerivedRows, StorageError, TraceState, WholeTraces

if TYPE_CHECKING:
    import duckdb


class WholeTraceReader(Protocol):
    """The part of the reader that settling needs."""

    def whole_traces(self, trace_ids: Sequence[int], attributes: Sequence[str]) -> WholeTraces: ...


class Settlement:
    """The `SettleFeed` of an engine."""

    def __init__(self, state: EngineState, leases: LeaseBook, reader: WholeTraceReader) -> None:
        self._state = state
        self._leases = leases
        self._reader = reader

    def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
        """See `ports.SettleFeed`. Nothing is quiet while frames are being replayed."""
        state = self._state
        with state.lock:
            now = state.clock.monotonic_ns()
            due = state.queue.quiet(limit, now) if state.is_replayed else []
            # Marked before the spans are read: a span that slips in between is either part
            # of what was read or comes after its last row id.
            reach: dict[int, int] = {}
            for trace_id in due:
                entry = state.queue.get(trace_id)
                reach[trace_id] = entry.last_row_id if entry is not None else 0
                state.handed_out(trace_id)
        whole = self._reader.whole_traces(due, attributes)
        with state.lock:
            whole = replace(
                whole,
                traces=tuple(
                    _above(_through(own, reach[own.trace_id]), state.superseded)
                    for own in whole.traces
                ),
            )
            found = {own.trace_id: own.revision for own in whole.traces}
            for trace_id in due:
                if trace_id in found:
                    state.queue.name_revision(trace_id, found[trace_id])
                else:
                    state.queue.forget(trace_id)  # retention took its spans
        return whole

    def put_derived(self, rows: DerivedRows) -> None:
        """See `ports.SettleFeed`."""
        # Looking into segments takes a lease, so it comes before the state's lock.
        held = self._sealed_revisions(
            [own.trace_id for own in rows.settled if not self._is_answer(own)]
        )
        state = self._state
        with state.lock:
            fresh = [own for own in rows.settled if self._is_fresh(own, held)]
            if not fresh:
                return
            tables = _rows_of(rows, fresh if len(fresh) < len(rows.settled) else None)
            tables["settlements"] = _settlements(fresh)
            state.add_derived(
                tables, [(own.trace_id, own.revision, own.through_row_id) for own in fresh]
            )

    def _is_answer(self, own: TraceState) -> bool:
        """Whether it answers the latest hand-out of that trace."""
        with self._state.lock:
            entry = self._state.queue.get(own.trace_id)
            return entry is not None and entry.handed_revision == own.revision

    def _is_fresh(self, own: TraceState, held: dict[int, int]) -> bool:
        if self._state.is_outdated(own.trace_id):
            return False  # it counts spans that retention took meanwhile
        if self._is_answer(own):
            return True
        known = self._state.hot_revision(own.trace_id)
        if known is None:
            known = held.get(own.trace_id)
        if known is None and own.trace_id not in self._state.queue:
            raise StorageError(
                f"derived rows for trace {trace_id_hex(own.trace_id)}, which is not stored here; "
                "nothing was kept"
            )
        return known is None or own.revision > known

    def _sealed_revisions(self, trace_ids: list[int]) -> dict[int, int]:
        if not trace_ids:
            return {}
        with self._leases.lease() as lease:
            found = sealed_settlements(lease.snapshot, lease.cursor, trace_ids)
        return {trace_id: revision for trace_id, (revision, _) in found.items()}


def _through(own: TraceState, last_row_id: int) -> TraceState:
    """A seal may have dropped the last row, as a copy of another one: it is explained, too, or
    the trace would be pending for ever."""
    return own._replace(through_row_id=max(own.through_row_id, last_row_id))


def _above(own: TraceState, superseded: Mapping[int, int]) -> TraceState:
    """A trace that retention took and that comes back goes on counting its revisions, as
    long as the old ones are hidden."""
    hidden = superseded.get(own.trace_id, 0)
    return own if own.revision > hidden else own._replace(revision=hidden + 1)


def sealed_settlements(
    snapshot: Snapshot,
    cursor: Callable[[], duckdb.DuckDBPyConnection],
    trace_ids: Iterable[int],
) -> dict[int, tuple[int, int]]:
    """Trace id to (latest revision, row id it explains) from the derived segments; traces
    that were never settled are left out. Bloom filters keep it from reading every file."""
    pairs = [split_trace_id(trace_id) for trace_id in trace_ids]
    hi = np.array([high for high, _ in pairs], dtype=np.uint64)
    lo = np.array([low for _, low in pairs], dtype=np.uint64)
    latest: dict[int, tuple[int, int]] = {}
    for segment in snapshot.segments_of("derived"):
        mask = segment.bloom.contains(hi, lo)
        if not mask.any():
            continue
        wanted = pa.table({"trace_hi": hi[mask], "trace_lo": lo[mask]})
        for trace_id, revision, through in _settlements_in(segment, cursor(), wanted):
            latest[trace_id] = max(latest.get(trace_id, (0, 0)), (revision, through))
    return latest


def unexplained_rows(
    snapshot: Snapshot, cursor: Callable[[], duckdb.DuckDBPyConnection], settled_through: int
) -> list[tuple[int, int, int]]:
    """(trace id, first, last row id) of sealed traces that no sealed derived row accounts
    for: what a restart puts back into the queue."""
    first_row = columns.row_id_base(settled_through + 1)
    ranges: dict[int, tuple[int, int]] = {}
    for segment in snapshot.segments_of("spans"):
        if segment.last_sequence <= settled_through:
            continue
        rows = cursor().execute(
            f"SELECT trace_hi, trace_lo, min(row_id), max(row_id) FROM {segment.alias}.spans "
            "WHERE row_id >= ? GROUP BY ALL",
            [first_row],
        )
        for hi, lo, first, last in rows.fetchall():
            trace_id = join_trace_id(hi, lo)
            low, high = ranges.get(trace_id, (first, last))
            ranges[trace_id] = (min(low, first), max(high, last))
    explained = sealed_settlements(snapshot, cursor, ranges)
    waiting = []
    for trace_id, (first, last) in ranges.items():
        through = explained.get(trace_id, (0, -1))[1]
        if last > through:
            waiting.append((trace_id, max(first, through + 1), last))
    return sorted(waiting, key=lambda row: row[1])


def _settlements_in(
    segment: Segment, cursor: duckdb.DuckDBPyConnection, wanted: pa.Table
) -> list[tuple[int, int, int]]:
    cursor.register("wanted", wanted)
    rows = cursor.execute(
        "SELECT trace_hi, trace_lo, revision, through_row_id "
        f"FROM {settlements_of(segment)} SEMI JOIN wanted USING (trace_hi, trace_lo)"
    ).fetchall()
    cursor.unregister("wanted")
    return [(join_trace_id(hi, lo), revision, through) for hi, lo, revision, through in rows]


def _rows_of(rows: DerivedRows, only: list[TraceState] | None) -> dict[str, pa.Table]:
    """The derived tables in their schemas, reduced to some traces when given."""
    wanted = None if only is None else {own.trace_id for own in only}
    tables: dict[str, pa.Table] = {}
    for name, table in rows.tables.items():
        schema = columns.DERIVED_TABLES[name]
        table = table.select(schema.names).cast(schema)
        if wanted is not None and table.num_rows:
            ids = zip(
                table.column("trace_hi").to_pylist(),
                table.column("trace_lo").to_pylist(),
                strict=True,
            )
            is_kept = [join_trace_id(hi, lo) in wanted for hi, lo in ids]
            table = table.filter(pa.array(is_kept, pa.bool_()))
        tables[name] = table
    return tables


def _settlements(settled: Sequence[TraceState]) -> pa.Table:
    pairs = [split_trace_id(own.trace_id) for own in settled]
    return pa.table(
        {
            "trace_hi": [hi for hi, _ in pairs],
            "trace_lo": [lo for _, lo in pairs],
            "revision": [own.revision for own in settled],
            "through_row_id": [own.through_row_id for own in settled],
        },
        schema=SETTLEMENTS,
    )
