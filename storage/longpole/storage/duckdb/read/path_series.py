"""Adds up critical-path time over time. Sums of segments (files) are kept as those of RED are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.storage.answers import PATH_SERIES
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.red_series import RedCubes, cube_step, cubes_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.duckdb.unfolding import bare_rows
from longpole.storage.red_answers import PathSeriesQuery

if TYPE_CHECKING:
    import duckdb

_LARGEST = (1 << 63) - 1
_KEY = ", ".join(PATH_SERIES.names[1:-1])
_CUBES = "longpole_path_cubes"


def read_path_series(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    query: PathSeriesQuery,
    cubes: RedCubes,
) -> pa.Table:
    """Answer `TraceReader.path_series`."""
    step = cube_step(query.step_ns)
    selects: list[str] = []
    for part in parts_of(snapshot, "path_segments"):
        make = partial(_cube, connection, part, step)
        for sign, cube in cubes_of(snapshot, part, step, cubes, make):
            name = f"{_CUBES}_{len(selects)}"
            connection.register(name, cube)
            sums = ", ".join(f"{sign:d} * {half} AS {half}" for half in ("n", "high", "low"))
            selects.append(
                f"SELECT step_unix_nano, {_KEY}, {sums} FROM {name}"
                f" WHERE step_unix_nano >= {query.time.start_unix_nano:d}"
                f" AND step_unix_nano < {query.time.end_unix_nano:d}"
            )
    if not selects:
        return PATH_SERIES.empty_table()
    at = f"step_unix_nano - step_unix_nano % {query.step_ns:d}"
    if not query.by_step:
        at = f"CAST({query.time.start_unix_nano:d} AS BIGINT)"
    sql = (
        f"SELECT {at} AS step, {_KEY}, CAST(least(sum(high)::HUGEINT * 4294967296 + sum(low),"
        f" {_LARGEST}) AS BIGINT) AS critical_ns FROM ({' UNION ALL '.join(selects)})"
        " GROUP BY ALL HAVING sum(n) > 0 ORDER BY ALL"
    )
    return arrow(connection, sql).rename_columns(PATH_SERIES.names).cast(PATH_SERIES)


def _cube(connection: duckdb.DuckDBPyConnection, part: Part, step: int, condition: str) -> pa.Table:
    where = f" AND {condition}" if condition else ""
    if part.segment is not None and part.is_all_folded("path_segments"):
        return arrow(connection, _folded_cube(part.segment.alias, step, where))
    length = "(end_unix_nano - start_unix_nano)"
    return arrow(
        connection,
        f"SELECT end_unix_nano - end_unix_nano % {step:d} AS step_unix_nano, {_KEY},"
        f" count(*) AS n, CAST(sum({length} >> 32) AS BIGINT) AS high,"
        f" CAST(sum({length} & 4294967295) AS BIGINT) AS low"
        f" FROM {part.relation('path_segments')} s WHERE end_unix_nano >= 0{where} GROUP BY ALL",
    )


def _folded_cube(alias: str, step: int, where: str) -> str:
    """The same from folded rows: by place in the dictionary, then by what stands there."""
    ended, length = "s.start + s.ended", "(ended - began)"
    rows = bare_rows(alias, "path_segments", ("began", "ended"))
    by_place = (
        f"SELECT {ended} - ({ended}) % {step:d} AS step_unix_nano, kind AS place, count(*) AS n,"
        f" CAST(sum({length} >> 32) AS BIGINT) AS high,"
        f" CAST(sum({length} & 4294967295) AS BIGINT) AS low"
        f" FROM ({rows}) s WHERE kind IS NOT NULL AND {ended} >= 0{where} GROUP BY 1, 2"
    )
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in ("n", "high", "low"))
    return (
        f"SELECT step_unix_nano, {_KEY}, {sums} FROM ({by_place}) r"
        f" JOIN {alias}.main.path_kinds k USING (place) GROUP BY step_unix_nano, {_KEY}"
    )
