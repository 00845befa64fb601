"""Finds metric points with their series, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from longpole.model.query import MetricQuery
from longpole.storage.answers import FOUND_POINTS, FOUND_SERIES, POINT_COLUMNS
from longpole.storage.duckdb.read.found_logs import one_of, resource_attributes
from longpole.storage.duckdb.read.part import Part, parts_of
from longpole.storage.duckdb.read.search import state_notices
from longpole.storage.duckdb.read.stored_rows import arrow, model_columns
from longpole.storage.duckdb.read.view_columns import attributes_json
from longpole.storage.duckdb.snapshot import Snapshot
from longpole.storage.ports import MetricPoints

if TYPE_CHECKING:
    import duckdb

_SERIES_ID = pa.field("series_id", pa.uint64())
_KEYED_SERIES = pa.schema([_SERIES_ID, *FOUND_SERIES])
_KEYED_POINTS = pa.schema(
    [_SERIES_ID, pa.field("row_id", pa.uint64()), *(f for f in FOUND_POINTS if f.name != "series")]
)


def read_metric_points(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, query: MetricQuery
) -> MetricPoints:
    """Answer `TraceReader.metric_points`."""
    series, points = [_KEYED_SERIES.empty_table()], [_KEYED_POINTS.empty_table()]
    for part in parts_of(snapshot, "metric_points"):
        if _overlaps(part, query):
            found = _points_of(connection, part, query)
            if found.num_rows:
                points.append(found)
                series.append(_series_of(connection, part, found))
    notices = state_notices(snapshot)
    known = _once(pa.concat_tables(series))
    # By series and time; what arrived first comes first.
    all_points = pa.concat_tables(points).combine_chunks()
    ids = known.column("series_id").to_numpy()
    by_id = np.argsort(ids)
    of_point = np.searchsorted(ids[by_id], all_points.column("series_id").to_numpy())
    places = by_id[of_point].astype(np.int64) if ids.size else np.zeros(0, np.int64)
    times, row_ids = (all_points.column(n).to_numpy() for n in ("time_unix_nano", "row_id"))
    order = pa.array(np.lexsort((row_ids, times, places)))
    table = all_points.append_column("series", pa.array(places))
    table = table.take(order).select(FOUND_POINTS.names).cast(FOUND_POINTS)
    return MetricPoints(table, known.select(FOUND_SERIES.names), notices)


def _overlaps(part: Part, query: MetricQuery) -> bool:
    segment = part.segment
    return segment is None or (
        segment.max_unix_nano >= query.time.start_unix_nano
        and segment.min_unix_nano < query.time.end_unix_nano
    )


def _points_of(connection: duckdb.DuckDBPyConnection, part: Part, query: MetricQuery) -> pa.Table:
    parameters: list[object] = [query.time.start_unix_nano, query.time.end_unix_nano]
    checks = ["s.time_unix_nano >= ? AND s.time_unix_nano < ?"]
    asked = [
        one_of(f"m.{column}", values, parameters)
        for column, values in (
            ("name", query.names),
            ("service_name", query.services),
            ("resource_id", query.resource_ids),
        )
        if values
    ]
    if asked:
        checks.append(
            f"s.series_id IN (SELECT m.series_id FROM {part.relation('metric_series')} m"
            f" WHERE {' AND '.join(asked)})"
        )
    plain = ", ".join(f"s.{name}" for name in POINT_COLUMNS)
    sql = (
        f"SELECT s.series_id, s.row_id, {plain},"
        " coalesce(s.value_double, CAST(s.value_int AS DOUBLE)) AS value"
        f" FROM {part.relation('metric_points')} s WHERE {' AND '.join(checks)}"
    )
    found = arrow(connection, sql, parameters)
    return found.select(_KEYED_POINTS.names).cast(_KEYED_POINTS)


def _series_of(connection: duckdb.DuckDBPyConnection, part: Part, points: pa.Table) -> pa.Table:
    """The series of these points."""
    ids = points.group_by("series_id").aggregate([]).select(["series_id"])
    connection.register("longpole_ids", ids)
    fixed = "".join(f"x.{name}, " for name in FOUND_SERIES.names[:-2])
    sql = (
        f"SELECT x.series_id, {fixed}{attributes_json('x')} AS attributes,"
        " coalesce(r.attributes, '{}') AS resource"
        f" FROM (SELECT DISTINCT ON (s.series_id) {model_columns(part, 'metric_series')}"
        f" FROM {part.relation('metric_series')} s"
        " WHERE s.series_id IN (SELECT series_id FROM longpole_ids)) x"
        f" LEFT JOIN ({resource_attributes(part)}) r ON r.resource_id = x.resource_id"
    )
    return arrow(connection, sql).cast(_KEYED_SERIES)


def _once(series: pa.Table) -> pa.Table:
    """Each series once, by name, service and id."""
    keys = [("name", "ascending"), ("service_name", "ascending"), ("series_id", "ascending")]
    ordered = series.sort_by(keys)
    ids = ordered.column("series_id").to_numpy()
    is_first = np.append(True, ids[1:] != ids[:-1])[: ids.size]
    return ordered.filter(pa.array(is_first, pa.bool_()))
