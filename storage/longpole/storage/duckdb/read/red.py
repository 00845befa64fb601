"""Adds up rate, errors and durations of one operation over derived rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from longpole.model import columns
from longpole.model.span import StatusCode
from longpole.model.timerange import TimeRange
from longpole.storage.answers import RED_TOTALS
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.red_extents import Narrowed, narrowed
from longpole.storage.duckdb.read.red_series import RedCubes
from longpole.storage.duckdb.read.stored_rows import arrow
from longpole.storage.duckdb.read.views import latest_only
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.duckdb.unfolding import bare_rows

if TYPE_CHECKING:
    import duckdb

_KEY = ("step_unix_nano", "kind", "status_code")
_SUMS = ("count", "errors", "duration_sum_ns", "critical_ns")
_BUCKETS = tuple(f"b{place}" for place in range(len(columns.RED_BOUNDS_NS) + 1))
_LARGEST = (1 << 63) - 1


def read_red(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    time: TimeRange,
    service: str,
    operation: str,
    cubes: RedCubes,
) -> pa.Table:
    """Answer `TraceReader.red_rows`. What a segment has of each operation is kept in `cubes`."""
    visible = f" AND {latest_only('s')}" if snapshot.superseded.num_rows else ""
    rows: list[str] = []
    parameters: list[object] = []
    for part in parts_of(snapshot, "red"):
        where = narrowed(connection, part, time, (service, operation), cubes)
        if where is None:
            continue
        if part.is_all_folded("red"):
            rows.append(_folded(part, where, visible))
            parameters += [time.start_unix_nano, time.end_unix_nano]
        else:
            rows.append(_plain(part, where, visible))
            parameters += [service, operation, time.start_unix_nano, time.end_unix_nano]
    if not rows:
        return RED_TOTALS.empty_table()
    # Sums are taken wide: durations that somebody made up may not fit in 64 bits together.
    sums = ", ".join(f"CAST(least(sum({name}), {_LARGEST}) AS BIGINT) AS {name}" for name in _SUMS)
    buckets = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in _BUCKETS)
    key = ", ".join(_KEY)
    sql = (
        f"SELECT {key}, {sums}, [{buckets}] AS bucket_counts FROM ({' UNION ALL '.join(rows)})"
        f" GROUP BY {key} ORDER BY {key}"
    )
    return arrow(connection, sql, parameters).select(RED_TOTALS.names).cast(RED_TOTALS)


def _plain(part: Part, where: Narrowed, visible: str) -> str:
    names = (*_KEY, *_SUMS, "bucket_counts")
    wanted = {"trace_hi", "trace_lo", "revision", "service", "operation", *names}
    buckets = (f"s.bucket_counts[{n}] AS {name}" for n, name in enumerate(_BUCKETS, 1))
    return (
        f"SELECT {', '.join(f's.{name}' for name in (*_KEY, *_SUMS))}, {', '.join(buckets)}"
        f" FROM {part.relation('red', where.of, wanted)} s WHERE s.service = ? AND s.operation = ?"
        f" AND s.step_unix_nano >= ? AND s.step_unix_nano < ?{visible}"
    )


def _folded(part: Part, where: Narrowed, visible: str) -> str:
    """The same columns, already added up by what the lists say: few different numbers for what the
    dictionaries make of them."""
    assert part.segment is not None
    alias = part.segment.alias
    at = f"s.start + s.step::BIGINT * {columns.RED_STEP_NS}"
    bare = bare_rows(alias, "red", ("step", "bucket", "duration", "critical"), where.of)
    by_place = (
        f"SELECT {at} AS at, kind AS place, bucket, count(*) AS n,"
        f" sum(duration) AS duration, sum(critical) AS critical FROM ({bare}) s"
        f" WHERE kind IN ({', '.join(map(str, where.places))}) AND {at} >= ? AND {at} < ?{visible}"
        " GROUP BY 1, 2, 3"
    )
    buckets = (f"r.n * b.bucket_counts[{n}] AS {name}" for n, name in enumerate(_BUCKETS, 1))
    return (
        "SELECT r.at AS step_unix_nano, k.kind, k.status_code, r.n * b.count AS count,"
        f" CASE WHEN k.status_code = {int(StatusCode.ERROR)} THEN r.n * b.count ELSE 0 END"
        " AS errors, r.duration AS duration_sum_ns, coalesce(r.critical, 0) AS critical_ns,"
        f" {', '.join(buckets)} FROM ({by_place}) r"
        f" JOIN {alias}.main.red_kinds k ON k.place = r.place"
        f" JOIN {alias}.main.red_buckets b ON b.place = r.bucket"
    )
