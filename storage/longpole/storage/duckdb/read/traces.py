"""Reads whole traces back: one as objects, thousands as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.formats.rows import logs_of, spans_of
from longpole.model.log import LogRecord
from longpole.model.span_content import first_copies
from longpole.model.trace import Trace
from longpole.storage.duckdb.read.derived_state import latest_revisions
from longpole.storage.duckdb.read.part import halves, parts_among
from longpole.storage.duckdb.read.stored_rows import (
    merged,
    rows_of_trace,
    with_sides,
)
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb


def read_trace(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_id: int
) -> Trace | None:
    """One trace as objects; None for an unknown id."""
    tables = _tables_of(connection, snapshot, "spans", trace_id)
    if tables is None:
        return None
    spans = spans_of(tables)
    kept = tuple(spans[position] for position in first_copies(spans))
    latest = latest_revisions(connection, snapshot, [trace_id]).get(trace_id)
    if latest is None:
        return Trace(trace_id, kept)
    is_settled = trace_id not in snapshot.pending
    late = latest.late if is_settled else latest.late_now(len(kept))
    return Trace(trace_id, kept, latest.revision, is_settled, late, latest.clocks)


def read_logs(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_id: int
) -> tuple[LogRecord, ...]:
    """The log records of one trace, by time."""
    tables = _tables_of(connection, snapshot, "logs", trace_id)
    if tables is None:
        return ()
    return tuple(sorted(logs_of(tables), key=lambda log: log.time_unix_nano))


def _tables_of(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, kind: str, trace_id: int
) -> dict[str, pa.Table] | None:
    """Everything of one trace in the columns of the model, ordered by row id."""
    hi, lo = halves([trace_id])
    found = []
    for part in parts_among(snapshot, kind, hi, lo):
        rows = rows_of_trace(connection, part, kind, trace_id)
        if rows.num_rows:
            found.append(with_sides(connection, part, kind, rows, trace_id))
    if not found:
        return None
    tables = merged(found, kind)
    tables[kind] = tables[kind].sort_by("row_id")
    return tables
