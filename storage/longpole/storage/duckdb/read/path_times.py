"""Reads critical-path time trace by trace from derived rows, to the nanosecond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.query import TraceQuery
from longpole.storage.answers import TIMED_TRACES, cells_schema
from longpole.storage.duckdb.read.part import parts_of
from longpole.storage.duckdb.read.settled_matches import settled_matches
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import PathTimes
from longpole.storage.query_checks import check_group_by

if TYPE_CHECKING:
    import duckdb

_USED = "longpole_used"
_RUN = ("trace_hi", "trace_lo", "revision")
_OF_USED = f"SEMI JOIN {_USED} u USING ({', '.join(_RUN)})"


def read_path_times(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    group_by: Sequence[str],
) -> PathTimes:
    """Answer `TraceReader.path_times`."""
    check_group_by(group_by)
    found = settled_matches(connection, snapshot, query)
    return PathTimes(
        found.used.select(TIMED_TRACES.names).cast(TIMED_TRACES),
        _cells(connection, snapshot, found.used, group_by),
        found.coverage,
        found.unsettled,
        found.notices,
    )


def _cells(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    used: pa.Table,
    group_by: Sequence[str],
) -> pa.Table:
    schema = cells_schema(group_by)
    parts = parts_of(snapshot, "path_segments")
    if not parts or not used.num_rows:
        return schema.empty_table()
    places = pa.array(np.arange(used.num_rows, dtype=np.int64))
    numbered = used.select(["trace_hi", "trace_lo", "revision"]).append_column("place", places)
    connection.register(_USED, numbered)
    # The revision in the join leaves out superseded rows.
    names = "".join(f"{name}, " for name in group_by)
    wanted = {*_RUN, *group_by, "start_unix_nano", "end_unix_nano", "span_id"}
    union = " UNION ALL ".join(
        f"SELECT u.place, {names}s.end_unix_nano - s.start_unix_nano AS length, s.span_id"
        f" FROM {part.relation('path_segments', _OF_USED, wanted)} s"
        f" JOIN {_USED} u USING (trace_hi, trace_lo, revision)"
        for part in parts
    )
    sql = (
        f"SELECT place, {names}CAST(sum(length) AS BIGINT) AS critical_ns,"
        f" count(*) AS segment_count, count(DISTINCT span_id) AS span_count"
        f" FROM ({union}) GROUP BY {names}place"
    )
    return arrow(connection, sql).cast(schema)
