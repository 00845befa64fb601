"""Metric requests to tables by the compiled loops: what the reference decoder gives, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from longpole.formats import otlp_json_text
from longpole.formats.compiled import layout, plans
from longpole.formats.compiled.list_columns import (
    BadText,
    attribute_arrays,
    check_depth,
    is_index_free,
    table_of,
    text_array,
)
from longpole.formats.compiled.owners import Owners, owners_of
from longpole.formats.compiled.point_columns import point_columns
from longpole.formats.compiled.scanning import Scanned, scanned
from longpole.formats.compiled.series import POINT_TYPES, Metric, SeriesMemory
from longpole.formats.compiled.wire_loops import Ints, Rows
from longpole.model import columns

_MEMORY = SeriesMemory()
_TYPES = list(POINT_TYPES)  # in the order of the kinds of data
_FIELDS = [
    name
    for name in columns.METRIC_SERIES.names
    if name not in columns.ATTRIBUTE_COLUMNS and name != "series_id"
]


def tables_of_metrics(body: bytes) -> tuple[dict[str, pa.Table], bool] | None:
    """The tables of the request and whether there is any point, all of which have a time, as the
    reference decoder gives them; None for a request that only the reference can judge."""
    request = scanned(body, plans.METRICS)
    if request is None:
        return None
    metrics = request.kind(layout.RECORD)
    data = request.kinds(layout.GAUGE, layout.SUMMARY)
    points = request.kinds(layout.NUMBER_POINT, layout.SUMMARY_POINT)
    of_metric = request.parents(data, layout.RECORD, layout.RECORD)
    of_data = request.parents(points, layout.GAUGE, layout.SUMMARY)
    # Of several data the last counts, or they are merged.
    if (np.diff(of_metric) <= 0).any() or not _have_temporality(data[of_data]):
        return None
    scopes = request.parents(metrics, layout.SCOPE, layout.SCOPE)
    with_points = np.unique(of_data)
    owners = owners_of(request, scopes[of_metric[with_points]])
    if owners is None:
        return None
    try:
        described = _described(request, metrics, data, of_metric, scopes, owners)
        values = point_columns(request, points)
        if values is None:
            return None
        series_ids = _series_ids(request, described, points, of_data)
        firsts = np.sort(np.unique(series_ids, return_index=True)[1])
        tables = {
            "metric_points": table_of(
                columns.METRIC_POINTS,
                values
                | {"row_id": np.arange(len(points), dtype=np.uint64), "series_id": series_ids},
            ),
            "metric_series": _series_table(request, described, points, of_data, series_ids, firsts),
            "resources": owners.resources,
            "scopes": owners.scopes,
        }
    except BadText:
        return None
    return tables, len(points) > 0


def _have_temporality(data: Rows) -> bool:
    """Whether each of these that should say if it is delta or cumulative does."""
    kinds = data[:, layout.KIND]
    needs = (kinds != layout.GAUGE) & (kinds != layout.SUMMARY)
    # An enumeration has 32 bits.
    return bool((data[needs, layout.DATA_TEMPORALITY].astype(np.int32) != 0).all())


def _described(
    request: Scanned, metrics: Rows, data: Rows, of_metric: Ints, scopes: Ints, owners: Owners
) -> list[Metric]:
    """For each data the columns of its series. Raises `BadText`, also for metrics without."""
    names, descriptions, units = (
        text_array(request, metrics, column).to_pylist()
        for column in (layout.METRIC_NAME, layout.METRIC_DESCRIPTION, layout.METRIC_UNIT)
    )
    services = owners.services.to_pylist()
    metadata = _metadata(request, len(metrics))
    kinds = data[:, layout.KIND].tolist()
    temporality = data[:, layout.DATA_TEMPORALITY].astype(np.int32).tolist()
    is_monotonic = (data[:, layout.DATA_IS_MONOTONIC] != 0).tolist()
    scope_of = scopes.tolist()
    described = []
    for row, metric in enumerate(of_metric.tolist()):
        scope = scope_of[metric]
        described.append(
            (
                names[metric],
                descriptions[metric],
                units[metric],
                _TYPES[kinds[row] - layout.GAUGE],
                temporality[row],
                is_monotonic[row],
                metadata[metric],
                services[owners.service_places[scope]] if services else "",
                int(owners.resource_ids[scope]),
                int(owners.scope_ids[scope]),
            )
        )
    return described


def _metadata(request: Scanned, count: int) -> list[str]:
    pairs = request.kind(layout.METADATA)
    if not len(pairs):
        return [""] * count
    found: list[list[KeyValue]] = [[] for _ in range(count)]
    of_metric = request.parents(pairs, layout.RECORD, layout.RECORD).tolist()
    places = pairs[:, layout.BEGIN : layout.END + 1].tolist()
    for metric, (begin, end) in zip(of_metric, places, strict=True):
        try:
            pair = KeyValue.FromString(request.body[begin:end])
        except DecodeError:
            raise BadText from None
        if not is_index_free(pair):
            raise BadText
        found[metric].append(pair)
    return [check_depth(otlp_json_text.attributes_text(some)) for some in found]


def _series_ids(request: Scanned, described: list[Metric], points: Rows, of_data: Ints) -> Ints:
    places = points[:, layout.LABELS : layout.LABELS_END + 1].tolist()
    labels = [request.body[begin:end] for begin, end in places]
    ends = np.searchsorted(of_data, np.arange(len(described) + 1)).tolist()
    found: list[int] = []
    for metric, begin, end in zip(described, ends[:-1], ends[1:], strict=True):
        if begin < end:
            found += _MEMORY.ids(metric, labels[begin:end])
    return np.array(found, np.uint64)


def _series_table(
    request: Scanned, described: list[Metric], points: Rows, of_data: Ints, ids: Ints, firsts: Ints
) -> pa.Table:
    """Of each series the description, and the attributes of its first point."""
    rows = [described[data] for data in of_data[firsts].tolist()]
    values: dict[str, Any] = {
        name: pa.array([row[place] for row in rows], columns.METRIC_SERIES.field(name).type)
        for place, name in enumerate(_FIELDS)
    }
    values["series_id"] = ids[firsts]
    return table_of(columns.METRIC_SERIES, values, attribute_arrays(request, points[firsts]))
