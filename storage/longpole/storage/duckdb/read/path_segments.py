"""Reads the critical paths of a few traces as they were stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb.read.part import Part, halves, parts_of
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.search_ports import RIBBON_COLUMNS

if TYPE_CHECKING:
    import duckdb

# Beyond so many traces, planning a look for each costs more than reading everything once.
_MOST_SINGLE = 200
_SCHEMA = pa.schema([columns.PATH_SEGMENTS.field(name) for name in RIBBON_COLUMNS])


def read_path_segments(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, trace_ids: Sequence[int], most: int
) -> pa.Table:
    """Answer `TraceSearcher.path_segments`."""
    hi, lo = halves(sorted(set(trace_ids)))
    parts = [part for part in parts_of(snapshot, "path_segments") if part.may_hold(hi, lo)]
    if not parts or not trace_ids:
        return _SCHEMA.empty_table()
    connection.register(WANTED, pa.table({"trace_hi": hi, "trace_lo": lo}))
    names = ", ".join(f"s.{name}" for name in RIBBON_COLUMNS)
    visible = latest_only("s") if snapshot.superseded.num_rows else "true"
    selects = [
        f"SELECT {names}, s.revision FROM {part.relation('path_segments')} s{rows}"
        for part in parts
        for rows in _chosen(part, hi, lo)
    ]
    if not selects:
        return _SCHEMA.empty_table()
    sql = (
        f"SELECT {names} FROM ({' UNION ALL '.join(selects)}) s WHERE {visible}"
        " QUALIFY row_number() OVER (PARTITION BY trace_hi, trace_lo"
        " ORDER BY end_unix_nano - start_unix_nano DESC, start_unix_nano) <= ?"
        " ORDER BY trace_hi, trace_lo, start_unix_nano"
    )
    return arrow(connection, sql, (most,)).cast(_SCHEMA)


def _chosen(part: Part, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> list[str]:
    """How the rows of those traces are found in a part. A segment is sorted by trace, so that a
    single id is found at once, while a join reads every row; hot rows are in no order."""
    if part.segment is None or hi.size > _MOST_SINGLE:
        return [f" JOIN {WANTED} USING (trace_hi, trace_lo)"]
    there = part.segment.bloom.contains(hi, lo)
    return [
        f" WHERE s.trace_hi = {int(high)} AND s.trace_lo = {int(low)}"
        for high, low in zip(hi[there], lo[there], strict=True)
    ]
