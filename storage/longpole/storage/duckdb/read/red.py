"""Adds up rate, errors and durations of one operation over derived rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model import columns
from longpole.model.timerange import TimeRange
from longpole.storage.answers import RED_TOTALS
from longpole.storage.duckdb.read.part import parts_of
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot

if TYPE_CHECKING:
    import duckdb

_KEY = ("step_unix_nano", "kind", "status_code")
_SUMS = ("count", "errors", "duration_sum_ns", "critical_ns")
_LARGEST = (1 << 63) - 1


def read_red(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    time: TimeRange,
    service: str,
    operation: str,
) -> pa.Table:
    """Answer `TraceReader.red_rows`."""
    parts = parts_of(snapshot, "red")
    if not parts:
        return RED_TOTALS.empty_table()
    names = ", ".join((*_KEY, *_SUMS, "bucket_counts"))
    visible = f" AND {latest_only('s')}" if snapshot.superseded.num_rows else ""
    chosen = ", ".join(f"s.{name}" for name in names.split(", "))
    wanted = {"trace_hi", "trace_lo", "revision", "service", "operation", *names.split(", ")}
    union = " UNION ALL ".join(
        f"SELECT {chosen} FROM {part.relation('red', wanted=wanted)} s"
        " WHERE s.service = ? AND s.operation = ?"
        f" AND s.step_unix_nano >= ? AND s.step_unix_nano < ?{visible}"
        for part in parts
    )
    # Sums are taken wide: durations that somebody made up may not fit in 64 bits together.
    sums = ", ".join(f"CAST(least(sum({name}), {_LARGEST}) AS BIGINT) AS {name}" for name in _SUMS)
    buckets = ", ".join(
        f"CAST(sum(bucket_counts[{place}]) AS BIGINT)"
        for place in range(1, len(columns.RED_BOUNDS_NS) + 2)
    )
    key = ", ".join(_KEY)
    sql = (
        f"SELECT {key}, {sums}, [{buckets}] AS bucket_counts FROM ({union})"
        f" GROUP BY {key} ORDER BY {key}"
    )
    parameters = (service, operation, time.start_unix_nano, time.end_unix_nano) * len(parts)
    return arrow(connection, sql, parameters).select(RED_TOTALS.names).cast(RED_TOTALS)
