"""Reads whole traces back in the columns of the model, many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.formats.rows import spans_of
from longpole.model.span_content import first_copies
from longpole.storage.duckdb.read.part import halves, parts_of
from longpole.storage.duckdb.read.stored_rows import WANTED, merged, read_table, with_sides
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

_WANTED = (
    f"EXISTS (SELECT 1 FROM {WANTED} w WHERE w.trace_hi = s.trace_hi AND w.trace_lo = s.trace_lo)"
)
_ORDER = [("trace_hi", "ascending"), ("trace_lo", "ascending"), ("row_id", "ascending")]


def read_trace_tables(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_ids: Sequence[int]
) -> Mapping[str, pa.Table]:
    """Answer `TraceTables.trace_tables`."""
    hi, lo = halves(sorted(set(trace_ids)))
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    found = []
    for part in parts_of(snapshot, "spans"):
        if not len(hi) or not part.may_hold(hi, lo):
            continue
        rows = read_table(connection, part, "spans", _WANTED)
        if rows.num_rows:
            found.append(with_sides(connection, part, "spans", rows))
    tables = merged(found, "spans")
    tables["spans"] = tables["spans"].sort_by(_ORDER)
    return _without_copies(tables)


def _without_copies(tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Only rows that share trace and span id are candidates, and only those become objects."""
    spans = tables["spans"]
    ids = [spans.column(n).to_numpy() for n in ("trace_hi", "trace_lo", "span_id")]
    order = np.lexsort(ids[::-1])
    is_same = np.ones(max(0, spans.num_rows - 1), np.bool_)
    for column in ids:
        ordered = column[order]
        is_same &= ordered[1:] == ordered[:-1]
    if not is_same.any():
        return tables
    suspects = np.zeros(spans.num_rows, np.bool_)
    suspects[order[1:][is_same]] = True
    suspects[order[:-1][is_same]] = True
    rows = spans.filter(pa.array(suspects)).sort_by("row_id")
    chosen = rows.column("row_id").combine_chunks()
    sides = {
        name: tables[name].filter(pc.is_in(tables[name].column("row_id"), chosen))
        for name in ("span_events", "span_links")
    }
    kept = first_copies(spans_of({**tables, **sides, "spans": rows}))
    dropped = pa.array(np.delete(chosen.to_numpy(), kept))
    return {
        name: table.filter(pc.invert(pc.is_in(table.column("row_id"), dropped)))
        if "row_id" in table.column_names
        else table
        for name, table in tables.items()
    }
