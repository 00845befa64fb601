"""Finds metric points in the tables of kept requests, as `MetricPoints` promises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.query import MetricQuery
from longpole.model.telemetry import Telemetry
from longpole.storage.answers import FOUND_POINTS, FOUND_SERIES, POINT_COLUMNS
from longpole.storage.memory_attributes import attributes_json, resources_json
from longpole.storage.ports import MetricPoints


def metric_points(requests: Sequence[Telemetry], query: MetricQuery) -> MetricPoints:
    """The matching points of these requests, which are in order of arrival."""
    series: dict[int, dict[str, object]] = {}
    resources = resources_json(request.tables["resources"] for request in requests)
    for request in requests:
        table = request.tables["metric_series"]
        for row, attributes in zip(table.to_pylist(), attributes_json(table), strict=True):
            if _is_asked(row, query):
                row["attributes"] = attributes
                row["resource"] = resources.get(row["resource_id"], "{}")
                series.setdefault(row["series_id"], row)
    found = []
    wanted = pa.array(series, pa.uint64())
    for request in requests:
        points = request.tables["metric_points"]
        times = points.column("time_unix_nano")
        mask = pc.and_(
            pc.and_(
                pc.greater_equal(times, query.time.start_unix_nano),
                pc.less(times, query.time.end_unix_nano),
            ),
            pc.is_in(points.column("series_id"), value_set=wanted),
        )
        found.append(points.filter(mask))
    if not any(points.num_rows for points in found):
        return MetricPoints(FOUND_POINTS.empty_table(), FOUND_SERIES.empty_table())
    points = pa.concat_tables(found)
    ids = sorted(set(points.column("series_id").to_pylist()), key=lambda i: _order(series[i]))
    place = {one: number for number, one in enumerate(ids)}
    places = np.array([place[one] for one in points.column("series_id").to_pylist()], np.int64)
    order = np.lexsort((points.column("time_unix_nano").to_numpy(), places))
    points = points.take(pa.array(order))
    value = pc.coalesce(
        points.column("value_double"), points.column("value_int").cast(pa.float64(), safe=False)
    )
    table = pa.Table.from_arrays(
        [
            pa.array(places[order]),
            *(points.column(name) for name in POINT_COLUMNS[:3]),
            value,
            *(points.column(name) for name in POINT_COLUMNS[3:]),
        ],
        schema=FOUND_POINTS,
    )
    return MetricPoints(
        table, pa.Table.from_pylist([series[one] for one in ids], schema=FOUND_SERIES)
    )


def _is_asked(row: dict[str, object], query: MetricQuery) -> bool:
    return all(
        not wanted or row[name] in wanted
        for name, wanted in (
            ("name", query.names),
            ("service_name", query.services),
            ("resource_id", query.resource_ids),
        )
    )


def _order(row: dict[str, object]) -> tuple[str, str, int]:
    series_id = row["series_id"]
    assert isinstance(series_id, int)
    return str(row["name"]), str(row["service_name"]), series_id
