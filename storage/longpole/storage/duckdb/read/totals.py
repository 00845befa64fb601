"""Adds up critical-path time over derived rows, to the nanosecond."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.query import TraceQuery
from longpole.storage.answers import ROOTS, groups_schema
from longpole.storage.duckdb.read.all_totals import groups_of_all
from longpole.storage.duckdb.read.part import parts_of
from longpole.storage.duckdb.read.settled_matches import COUNTED, settled_matches
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import PathTotals
from longpole.storage.query_checks import check_group_by

if TYPE_CHECKING:
    import duckdb

_USED = "longpole_used"
_RUN = ("trace_hi", "trace_lo", "revision")
_OF_USED = f"SEMI JOIN {_USED} u USING ({', '.join(_RUN)})"
_COLUMNS = ("trace_hi", "trace_lo", "revision", "duration_ns", *COUNTED)


def totals(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: TraceQuery,
    group_by: Sequence[str],
) -> PathTotals:
    """Answer `TraceReader.path_totals`."""
    check_group_by(group_by)
    found = settled_matches(connection, snapshot, query, _COLUMNS)
    groups = None
    if query.time.is_unbounded and not query.conditions:
        groups = groups_of_all(connection, snapshot, group_by)
    if groups is None:
        groups = _groups(connection, snapshot, found.used, group_by)
    return PathTotals(
        groups,
        _roots(found.used),
        found.coverage,
        found.unsettled,
        found.notices,
        found.used.column("duration_ns").combine_chunks(),
    )


def _groups(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    used: pa.Table,
    group_by: Sequence[str],
) -> pa.Table:
    schema = groups_schema(group_by)
    parts = parts_of(snapshot, "path_segments")
    if not parts or not used.num_rows:
        return schema.empty_table()
    # A small number for each trace makes counting distinct traces cheap; the revision in the
    # join leaves out superseded rows.
    numbered = used.select(["trace_hi", "trace_lo", "revision"])
    connection.register(
        _USED, numbered.append_column("number", pa.array(np.arange(used.num_rows, dtype=np.int32)))
    )
    wanted = {*_RUN, *group_by, "start_unix_nano", "end_unix_nano"}
    union = " UNION ALL ".join(
        f"SELECT {''.join(f's.{name}, ' for name in group_by)}u.number,"
        f" s.end_unix_nano - s.start_unix_nano AS length"
        f" FROM {part.relation('path_segments', _OF_USED, wanted)} s"
        f" JOIN {_USED} u USING (trace_hi, trace_lo, revision)"
        for part in parts
    )
    names = "".join(f"{name}, " for name in group_by)
    order = ", ".join(["critical_ns DESC", *(f"{name} NULLS LAST" for name in group_by)])
    sql = (
        f"SELECT {names}CAST(sum(length) AS BIGINT) AS critical_ns, count(*) AS segment_count,"
        f" count(DISTINCT number) AS trace_count FROM ({union})"
        f" GROUP BY {', '.join(group_by) or '()'} HAVING count(*) > 0 ORDER BY {order}"
    )
    return arrow(connection, sql).cast(schema)


def _roots(used: pa.Table) -> pa.Table:
    durations = np.sort(used.column("duration_ns").to_numpy())
    # In two halves, since the sum of many 64-bit numbers may need more.
    high, low = int((durations >> 32).sum()), int((durations & 0xFFFFFFFF).sum())
    count = len(durations)
    row: dict[str, int | None] = {
        "trace_count": count,
        "duration_sum_ns": (high << 32) + low,
        "max_ns": int(durations[-1]) if count else None,
    }
    for percent in (50, 95, 99):
        rank = max(1, -(-percent * count // 100))
        row[f"p{percent}_ns"] = int(durations[rank - 1]) if count else None
    return pa.Table.from_pylist([row], schema=ROOTS)
