"""Lists the services that sent spans, with their operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.read.part import parts_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import ServiceInfo

if TYPE_CHECKING:
    import duckdb


def read_services(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, time: TimeRange
) -> tuple[ServiceInfo, ...]:
    """Answer `TraceReader.services`: one pass over the narrow columns of the range."""
    parts = [
        part
        for part in parts_of(snapshot, "spans")
        if part.segment is None
        or (
            part.segment.max_unix_nano >= time.start_unix_nano
            and part.segment.min_unix_nano < time.end_unix_nano
        )
    ]
    if not parts:
        return ()
    union = " UNION ALL ".join(
        f"SELECT service_name, name, status_code, start_unix_nano FROM {part.relation('spans')}"
        for part in parts
    )
    sql = (
        "SELECT service_name, count(*) AS spans, count(*) FILTER (status_code = 2) AS errors,"
        " min(start_unix_nano) AS first, max(start_unix_nano) AS last,"
        " list_sort(list(DISTINCT name)) AS names"
        f" FROM ({union}) WHERE start_unix_nano >= $1 AND start_unix_nano < $2"
        " GROUP BY service_name ORDER BY service_name"
    )
    rows = arrow(connection, sql, [time.start_unix_nano, time.end_unix_nano]).to_pylist()
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
