"""Reads the critical paths of a few traces as they were stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model import columns
from longpole.storage.duckdb.read.part import halves, parts_of
from longpole.storage.duckdb.read.stored_rows import WANTED, arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.search_ports import RIBBON_COLUMNS

if TYPE_CHECKING:
    import duckdb

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
    # Segments are sorted by trace: named ids leave most of their blocks unread, a join does not.
    checks = [f"s.trace_hi IN ({', '.join(str(int(one)) for one in np.unique(hi))})"]
    if snapshot.superseded.num_rows:
        checks.append(latest_only("s"))
    union = " UNION ALL ".join(
        f"SELECT {names} FROM {part.relation('path_segments')} s"
        f" JOIN {WANTED} USING (trace_hi, trace_lo)"
        f" WHERE {' AND '.join(checks)}"
        for part in parts
    )
    sql = (
        f"SELECT * FROM ({union}) QUALIFY row_number() OVER (PARTITION BY trace_hi, trace_lo"
        " ORDER BY end_unix_nano - start_unix_nano DESC, start_unix_nano) <= ?"
        " ORDER BY trace_hi, trace_lo, start_unix_nano"
    )
    return arrow(connection, sql, (most,)).cast(_SCHEMA)
