"""Reads the critical paths of a few traces as they were stored."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model import columns
from longpole.model.ids import join_trace_id
from longpole.storage.duckdb.read.hot_rows import in_schema
from longpole.storage.duckdb.read.part import halves, parts_among
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.trace_rows import TraceRows
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.search_ports import RIBBON_COLUMNS

if TYPE_CHECKING:
    import duckdb

# Beyond so many traces, reading everything once takes less than looking each of them up.
_MOST_SINGLE = 500
_ROWS = "longpole_rows"
_READ = (*RIBBON_COLUMNS, "revision")  # which superseded rows are told by
_SCHEMA = pa.schema([columns.PATH_SEGMENTS.field(name) for name in RIBBON_COLUMNS])


def read_path_segments(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    trace_ids: Sequence[int],
    most: int,
    known: TraceRows,
) -> pa.Table:
    """Answer `TraceSearcher.path_segments`."""
    hi, lo = halves(sorted(set(trace_ids)))
    parts = parts_among(snapshot, "path_segments", hi, lo)
    if not parts or not trace_ids:
        return _SCHEMA.empty_table()
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    names = ", ".join(f"s.{name}" for name in RIBBON_COLUMNS)
    visible = latest_only("s") if snapshot.superseded.num_rows else "true"
    selects = []
    for place, part in enumerate(parts):
        is_folded = part.segment is not None and part.segment.folding is not None
        rows = None
        if hi.size <= _MOST_SINGLE:
            there = part.may_hold_each(hi, lo)
            table = "traces" if is_folded else "path_segments"
            rows = known.of(connection, part, table, hi[there], lo[there])
        if rows is not None:
            connection.register(f"{_ROWS}_{place}", pa.table({"r": rows}))
        among = f"rowid IN (SELECT r FROM {_ROWS}_{place})"
        wanted = f"JOIN {WANTED} USING (trace_hi, trace_lo)"
        if is_folded:
            of = f"SEMI {wanted}" if rows is None else f"WHERE t.{among}"
            relation = part.relation("path_segments", of, _READ)
            relation += f" s {wanted} WHERE {visible}"
        elif rows is None:
            relation = f"{part.relation('path_segments')} s {wanted} WHERE {visible}"
        else:
            relation = f"{part.relation('path_segments')} s WHERE {visible} AND s.{among}"
        selects.append(f"SELECT {names} FROM {relation}")
    found = in_schema(arrow(connection, " UNION ALL ".join(selects)), _SCHEMA)
    return _longest(_of(found, set(trace_ids)), most)


def _of(rows: pa.Table, trace_ids: Set[int]) -> pa.Table:
    """Those rows that belong to one of the traces: neighbours were read with them."""
    halves_of = (rows.column(name).to_pylist() for name in ("trace_hi", "trace_lo"))
    belongs = [join_trace_id(hi, lo) in trace_ids for hi, lo in zip(*halves_of, strict=True)]
    return rows.filter(pa.array(belongs, pa.bool_()))


def _longest(rows: pa.Table, most: int) -> pa.Table:
    """The longest `most` rows of each trace, by trace and start."""
    names = ("trace_hi", "trace_lo", "start_unix_nano", "end_unix_nano")
    hi, lo, start, end = (rows.column(name).to_numpy() for name in names)
    order = np.lexsort((start, start - end, lo, hi))
    is_first = np.ones(order.size, np.bool_)
    is_first[1:] = (hi[order[1:]] != hi[order[:-1]]) | (lo[order[1:]] != lo[order[:-1]])
    places = np.arange(order.size)
    kept = order[places - np.maximum.accumulate(np.where(is_first, places, 0)) < most]
    kept = kept[np.lexsort((start[kept], lo[kept], hi[kept]))]
    return rows.take(pa.array(kept))
