"""Lists the services that sent spans, with their operations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.red_series import RedCubes
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import ServiceInfo

if TYPE_CHECKING:
    import duckdb


_NAMES = "longpole_service_names"


def read_services(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, time: TimeRange, cubes: RedCubes
) -> tuple[ServiceInfo, ...]:
    """Answer `TraceReader.services`: one pass over the narrow columns of the range. What segments
    have that lie in it as a whole is kept in `cubes`."""
    tables, passes = [], []
    for part in parts_of(snapshot, "spans"):
        segment = part.segment
        if segment is not None and (
            segment.max_unix_nano < time.start_unix_nano
            or segment.min_unix_nano >= time.end_unix_nano
        ):
            continue
        if segment is not None and (
            segment.min_unix_nano >= time.start_unix_nano
            and segment.max_unix_nano < time.end_unix_nano
        ):
            every = partial(arrow, connection, _names(part, ""))
            tables.append(cubes.get(("services", segment.segment_id), every))
        else:
            passes.append(_names(part, "WHERE start_unix_nano >= $1 AND start_unix_nano < $2"))
    if passes:
        bounds = [time.start_unix_nano, time.end_unix_nano]
        tables.append(arrow(connection, " UNION ALL ".join(passes), bounds))
    if not tables:
        return ()
    connection.register(_NAMES, pa.concat_tables(tables))
    sql = (
        "SELECT service_name, CAST(sum(spans) AS BIGINT) AS spans,"
        " CAST(sum(errors) AS BIGINT) AS errors, min(first) AS first, max(last) AS last,"
        f" list_sort(list(DISTINCT name)) AS names FROM {_NAMES}"
        " GROUP BY service_name ORDER BY service_name"
    )
    rows = arrow(connection, sql).to_pylist()
    return tuple(
        ServiceInfo(
            row["service_name"],
            row["spans"],
            row["errors"],
            row["first"],
            row["last"],
            tuple(row["names"]),
        )
        for row in rows
    )


def _names(part: Part, where: str) -> str:
    return (
        "SELECT service_name, name, count(*) AS spans,"
        " count(*) FILTER (status_code = 2) AS errors, min(start_unix_nano) AS first,"
        f" max(start_unix_nano) AS last FROM {part.plain('spans')} {where} GROUP BY 1, 2"
    )
