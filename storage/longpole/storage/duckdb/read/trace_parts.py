"""Reads parts of one trace: its state, a few of its spans, when its events happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from longpole.formats.rows import spans_of
from longpole.model import columns
from longpole.model.ids import split_trace_id
from longpole.model.span import Span
from longpole.model.span_content import first_copies
from longpole.storage.duckdb.read.derived_state import latest_revisions
from longpole.storage.duckdb.read.hot_rows import count_of_trace
from longpole.storage.duckdb.read.part import Part, halves, parts_among
from longpole.storage.duckdb.read.stored_rows import (
    WANTED,
    arrow,
    merged,
    read_table,
    with_sides,
)
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.trace_parts import EVENTS, TraceVersion

if TYPE_CHECKING:
    import duckdb

_OF_TRACE = "s.trace_hi = ? AND s.trace_lo = ?"


def read_version(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_id: int
) -> TraceVersion | None:
    """The state of one trace; None for an unknown id."""
    span_rows = _count(connection, snapshot, "spans", trace_id)
    if not span_rows:
        return None
    log_rows = _count(connection, snapshot, "logs", trace_id)
    latest = latest_revisions(connection, snapshot, [trace_id]).get(trace_id)
    if latest is None:
        return TraceVersion(0, False, span_rows, log_rows)
    is_settled = trace_id not in snapshot.pending
    return TraceVersion(latest.revision, is_settled, span_rows, log_rows)


def read_spans_of(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    trace_id: int,
    span_ids: Sequence[int],
) -> tuple[Span, ...]:
    """Those spans of one trace, by row id."""
    if not span_ids:
        return ()
    marks = ", ".join("?" for _ in span_ids)
    condition = f"{_OF_TRACE} AND s.span_id IN ({marks})"
    parameters = (*split_trace_id(trace_id), *span_ids)
    found = []
    for part in _parts(snapshot, "spans", trace_id):
        rows = read_table(connection, part, "spans", condition, parameters)
        if rows.num_rows:
            found.append(with_sides(connection, part, "spans", rows))
    tables = merged(found, "spans")
    tables["spans"] = tables["spans"].sort_by("row_id")
    spans = spans_of(tables)
    return tuple(spans[place] for place in first_copies(spans))


def read_events(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_id: int
) -> pa.Table:
    """The events of one trace in the columns of `EVENTS`."""
    chosen = ", ".join(f"s.{name}" for name in EVENTS.names)
    tables = [
        arrow(
            connection,
            f"SELECT {chosen} FROM {part.relation('span_events')} s WHERE {_OF_TRACE}"
            + (" ORDER BY s.rowid" if part.segment is not None else ""),
            split_trace_id(trace_id),
        ).cast(EVENTS)
        for part in _parts(snapshot, "span_events", trace_id)
    ]
    table = pa.concat_tables(tables) if tables else EVENTS.empty_table()
    # Sorting by row id alone may mix the events of a span.
    places = pa.array(range(table.num_rows), pa.int64())
    order = pc.sort_indices(
        table.append_column("place", places),
        sort_keys=[("row_id", "ascending"), ("place", "ascending")],
    )
    return table.take(order)


def _parts(snapshot: Snapshot, table: str, trace_id: int) -> list[Part]:
    hi, lo = halves([trace_id])
    return parts_among(snapshot, table, hi, lo)


def _count(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, table: str, trace_id: int
) -> int:
    hi, lo = split_trace_id(trace_id)
    count = 0
    for part in _parts(snapshot, table, trace_id):
        if part.segment is None:
            count += count_of_trace(part.hot[table], hi, lo)
        else:
            sql = f"SELECT count(*) FROM {part.without_parents(table)} s WHERE {_OF_TRACE}"
            count += arrow(connection, sql, (hi, lo)).column(0)[0].as_py()
    return count


def read_settled_rows(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_ids: Sequence[int], table: str
) -> pa.Table:
    """The derived rows of traces at their latest revision."""
    schema = columns.DERIVED_TABLES[table]
    hi, lo = halves(sorted(set(trace_ids)))
    parts = parts_among(snapshot, table, hi, lo)
    if not parts or not trace_ids:
        return schema.empty_table()
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    names = ", ".join(f"s.{name}" for name in schema.names)
    visible = latest_only("s") if snapshot.superseded.num_rows else "true"
    of_wanted = f"SEMI JOIN {WANTED} w USING (trace_hi, trace_lo)"
    union = " UNION ALL ".join(
        f"SELECT {names} FROM {part.relation(table, of_wanted)} s"
        f" SEMI JOIN {WANTED} USING (trace_hi, trace_lo)"
        f" WHERE {visible}"
        for part in parts
    )
    return arrow(connection, union).cast(schema)
