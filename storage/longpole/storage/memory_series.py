"""Metrics as time series over the tables of kept requests: `MetricReader` in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from longpole.model.query import MetricQuery
from longpole.model.telemetry import Telemetry
from longpole.model.timerange import TimeRange
from longpole.storage.answers import KNOWN_SERIES, POINT_SHAPES, RESOURCE_TIMES
from longpole.storage.found_records import MetricPoints
from longpole.storage.histogram_blocks import (
    SCHEMA,
    HistogramColumn,
    histogram_blocks,
    histogram_points,
)
from longpole.storage.memory_attributes import attributes_json, resources_json
from longpole.storage.memory_metrics import metric_points
from longpole.storage.metric_ports import MetricSeries
from longpole.storage.number_points import NumberPoints, assembled, block_of
from longpole.storage.series_points import in_order, points_schema

_Row = dict[str, Any]


class MemorySeries(ABC):
    """See `ports.MetricReader`."""

    @abstractmethod
    def metric_requests(self) -> Sequence[Telemetry]:
        """Every kept request of metrics, in the order of arrival."""

    def metric_points(self, query: MetricQuery) -> MetricPoints:
        """See `ports.TraceReader`."""
        return metric_points(self.metric_requests(), query)

    def metric_series(self, time: TimeRange, is_exact: bool) -> MetricSeries:
        """See `ports.MetricReader`."""
        requests = self.metric_requests()
        shapes: dict[tuple[Any, ...], _Row] = {}
        for request in requests:
            for point in _points(request, time).to_pylist():
                _add_shape(shapes, point)
        wanted = {key[0] for key in shapes}
        known: dict[int, _Row] = {}
        resources = resources_json(request.tables["resources"] for request in requests)
        for request in requests:
            table = request.tables["metric_series"]
            for row, attributes in zip(table.to_pylist(), attributes_json(table), strict=True):
                if row["series_id"] in wanted:
                    resource = resources.get(row["resource_id"], "{}")
                    known[row["series_id"]] = {**row, "attributes": attributes,
                                               "resource": resource}  # fmt: skip
        rows = [known[one] for one in sorted(known)]
        return MetricSeries(
            pa.Table.from_pylist(rows, schema=KNOWN_SERIES),
            pa.Table.from_pylist(list(shapes.values()), schema=POINT_SHAPES),
        )

    def series_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[str], most: int
    ) -> pa.Table:
        """See `ports.MetricReader`."""
        schema = points_schema(columns)
        ids = pa.array(series_ids, pa.uint64())
        found = [schema.empty_table()]
        for request in self.metric_requests():
            points = _points(request, time)
            places = pc.index_in(points.column("series_id"), value_set=ids)
            points = points.append_column("place", places).filter(pc.is_valid(places))
            whole = points.column("value_int").cast(pa.float64(), safe=False)
            value = pc.coalesce(points.column("value_double"), whole)
            found.append(points.append_column("value", value).select(schema.names).cast(schema))
        return in_order(pa.concat_tables(found).slice(0, most + 1))

    def number_points(self, series_ids: Sequence[int], time: TimeRange, most: int) -> NumberPoints:
        """See `ports.MetricReader`."""
        rows = self.series_points(series_ids, time, ["flags", "value"], most)
        places = rows.column("place").to_numpy()
        ids = np.array(series_ids, np.uint64)[places] if len(places) else np.empty(0, np.uint64)
        columns = (rows.column(name).to_numpy() for name in ("time_unix_nano", "value", "flags"))
        return assembled([block_of(ids, *columns)], series_ids, time, most)

    def histogram_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[HistogramColumn],
        most: int,
    ) -> Sequence[NumberPoints]:  # fmt: skip
        """See `ports.MetricReader`."""
        told = ["flags", "count", "sum", "scale", "explicit_bounds", "bucket_counts"]
        rows = self.series_points(series_ids, time, told, most)
        rows = rows.filter(
            pc.and_(pc.is_valid(rows.column("count")), pc.is_null(rows.column("scale")))
        )
        ids = pa.array(series_ids, pa.uint64()).take(rows.column("place"))
        rows = rows.append_column("series_id", ids).select(SCHEMA.names).cast(SCHEMA)
        return histogram_points([histogram_blocks(rows)], series_ids, time, columns, most)

    def resource_times(self, time: TimeRange, step_ns: int) -> pa.Table:
        """See `ports.MetricReader`."""
        last: dict[tuple[int, int], int] = {}
        for request in self.metric_requests():
            series = request.tables["metric_series"]
            owner = dict(zip(series["series_id"].to_pylist(), series["resource_id"].to_pylist(),
                             strict=True))  # fmt: skip
            points = _points(request, time)
            pairs = zip(points["series_id"].to_pylist(), points["time_unix_nano"].to_pylist(),
                        strict=True)  # fmt: skip
            for series_id, at in pairs:
                key = (owner[series_id], at // step_ns)
                last[key] = max(last.get(key, at), at)
        rows = sorted((resource, at) for (resource, _), at in last.items())
        return pa.Table.from_pylist(
            [dict(zip(RESOURCE_TIMES.names, row, strict=True)) for row in rows],
            schema=RESOURCE_TIMES,
        )


def _points(request: Telemetry, time: TimeRange) -> pa.Table:
    points = request.tables["metric_points"]
    times = points.column("time_unix_nano").to_numpy()
    inside = (times >= time.start_unix_nano) & (times < time.end_unix_nano)
    return points.filter(pa.array(np.asarray(inside)))


def _add_shape(shapes: dict[tuple[Any, ...], _Row], point: _Row) -> None:
    lists = (
        None if point[n] is None else tuple(point[n]) for n in ("explicit_bounds", "quantiles")
    )
    key = (point["series_id"], *lists, point["sum"] is not None, point["scale"])
    known = shapes.get(key)
    if known is None:
        known = shapes[key] = dict(zip(POINT_SHAPES.names, key, strict=False))
    for sign in ("positive", "negative"):
        offset, counts = point[f"{sign}_offset"], point[f"{sign}_counts"]
        if offset is not None:
            low, high = known.get(f"{sign}_from"), known.get(f"{sign}_to")
            end = offset + len(counts)
            known[f"{sign}_from"] = offset if low is None else min(low, offset)
            known[f"{sign}_to"] = end if high is None else max(high, end)
