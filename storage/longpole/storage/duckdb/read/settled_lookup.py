"""Looks up the derived rows of few traces, file by file, the newest first.

A trace has one visible row, so one that was found need not be looked for in older files; and a
file's Bloom filter says which of the others may be in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.stored_rows import SAME_TRACE, arrow
from longpole.storage.duckdb.read.trace_rows import TraceRows
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

FEW = 20_000
# Of so many the rows are read where they lie; beyond, reading ids of all rows takes less.
_MOST_SINGLE = 500
_LEFT, _ROWS, _FOUND = "longpole_left", "longpole_rows_of_left", "longpole_found"
_NAMES = ", ".join(f"s.{name}" for name in columns.TRACES.names)


def look_up(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    ids: pa.Table,
    visible: str,
    known: TraceRows | None,
) -> pa.Table:
    """The rows of `traces` of those ids (trace_hi, trace_lo) that are `visible`, in no order.
    `known` says where rows lie in files that were asked before."""
    found = [columns.TRACES.empty_table()]
    left = ids
    for part in parts_of(snapshot, "traces"):
        hi, lo = (left.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
        here = left.filter(pa.array(part.may_hold_each(hi, lo)))
        if not here.num_rows:
            continue
        rows = _rows_here(connection, part, here, visible, known)
        found.append(rows)
        if rows.num_rows:
            left = _without(connection, left, rows)
    return pa.concat_tables(found)


def _rows_here(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    ids: pa.Table,
    visible: str,
    known: TraceRows | None,
) -> pa.Table:
    connection.register(_LEFT, ids)
    where, relation = visible, part.relation("traces")
    has_rows = part.segment is not None and part.segment.has_all_columns
    if known is not None and has_rows and ids.num_rows <= _MOST_SINGLE:
        hi, lo = (ids.column(name).to_numpy() for name in ("trace_hi", "trace_lo"))
        places = known.of(connection, part, "traces", hi, lo)
        if places is not None:
            connection.register(_ROWS, pa.table({"r": places}))
            where += f" AND s.rowid IN (SELECT r FROM {_ROWS})"
    return arrow(
        connection,
        f"SELECT {_NAMES} FROM {relation} s JOIN {_LEFT} w ON {SAME_TRACE} WHERE {where}",
    ).cast(columns.TRACES)


def _without(connection: duckdb.DuckDBPyConnection, ids: pa.Table, rows: pa.Table) -> pa.Table:
    connection.register(_LEFT, ids)
    connection.register(_FOUND, rows.select(["trace_hi", "trace_lo"]))
    sql = f"SELECT * FROM {_LEFT} ANTI JOIN {_FOUND} USING (trace_hi, trace_lo)"
    return arrow(connection, sql).cast(ids.schema)
