"""The columns of scanned metric points, and whether the reference decoder would keep them all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar

from longpole.formats import otlp_json_text
from longpole.formats.compiled import layout
from longpole.formats.compiled.list_columns import BadText, check_depth, is_index_free
from longpole.formats.compiled.packed_loops import take_fixed, take_varints
from longpole.formats.compiled.scanning import Scanned
from longpole.formats.compiled.wire_loops import Ints, Rows
from longpole.formats.metric_points import NO_RECORDED_VALUE
from longpole.model import columns

_Flags = NDArray[np.bool_]
# Buckets of larger counts are added by the reference, which does not overflow.
_LARGEST_SUMMED = 1 << 40


def point_columns(request: Scanned, points: Rows) -> dict[str, Any] | None:
    """Columns of the points by name, without ids; None when one of them is not to be kept. Raises
    `BadText`."""
    kinds = points[:, layout.KIND]
    is_number = kinds == layout.NUMBER_POINT
    is_histogram = kinds == layout.HISTOGRAM_POINT
    is_exponential = kinds == layout.EXPONENTIAL_POINT
    is_summary = kinds == layout.SUMMARY_POINT
    has_value = points[:, layout.POINT_HAS_SUM]
    is_empty = points[:, layout.POINT_FLAGS] & NO_RECORDED_VALUE != 0
    if not points[:, layout.POINT_TIME].all() or (is_number & ~is_empty & (has_value == 0)).any():
        return None
    # A summary has a sum, be it written or not.
    has_sum = ~is_number & (has_value != 0) | is_summary
    values: dict[str, Any] = {
        "start_unix_nano": points[:, layout.POINT_START].copy(),
        "time_unix_nano": points[:, layout.POINT_TIME].copy(),
        "flags": points[:, layout.POINT_FLAGS].astype(np.uint32),
        "value_double": _doubles(
            points, layout.POINT_SUM, is_number & (has_value == layout.VALUE_IS_DOUBLE)
        ),
        "value_int": _column(
            points[:, layout.POINT_SUM], is_number & (has_value == layout.VALUE_IS_INT), pa.int64()
        ),
        "count": _unsigned(points, layout.POINT_COUNT, ~is_number),
        "sum": _doubles(points, layout.POINT_SUM, has_sum),
        "min": _doubles(points, layout.POINT_MIN, points[:, layout.POINT_HAS_MIN] != 0),
        "max": _doubles(points, layout.POINT_MAX, points[:, layout.POINT_HAS_MAX] != 0),
        "zero_count": _unsigned(points, layout.POINT_ZERO_COUNT, is_exponential),
        "zero_threshold": _doubles(points, layout.POINT_ZERO_THRESHOLD, is_exponential),
        "scale": _column(_zigzag(points[:, layout.POINT_SCALE]), is_exponential, pa.int32()),
        "exemplars": _exemplars(request, points),
    }
    scales = _zigzag(points[:, layout.POINT_SCALE])[is_exponential & ~is_empty]
    if ((scales < -10) | (scales > 20)).any():
        return None
    for side, kind in (("positive", layout.POSITIVE), ("negative", layout.NEGATIVE)):
        buckets = _buckets(request, points, kind, is_exponential)
        if buckets is None:
            return None
        values[f"{side}_offset"], values[f"{side}_counts"] = buckets
    bounds = _lists(request, points, layout.POINT_BOUNDS, is_histogram, np.float64)
    counts = _lists(request, points, layout.POINT_COUNTS, is_histogram, np.uint64)
    if bounds is None or counts is None:
        return None
    if not _fit(bounds, counts, points[:, layout.POINT_COUNT], is_histogram & ~is_empty):
        return None
    values["explicit_bounds"], values["bucket_counts"] = bounds, counts
    return values | _quantiles(request, points, is_summary)


def _column(numbers: NDArray[Any], is_there: _Flags, kind: pa.DataType) -> pa.Array:
    if not is_there.any():
        return pa.nulls(len(numbers), kind)
    return pa.array(np.ascontiguousarray(numbers), kind, mask=~is_there)


def _doubles(points: Rows, column: int, is_there: _Flags) -> pa.Array:
    return _column(points[:, column].copy().view(np.float64), is_there, pa.float64())


def _unsigned(points: Rows, column: int, is_there: _Flags) -> pa.Array:
    return _column(points[:, column].copy().view(np.uint64), is_there, pa.uint64())


def _zigzag(numbers: Ints) -> NDArray[np.int32]:
    """Of sint32, whose upper bits do not count."""
    words = numbers.astype(np.uint32)
    return ((words >> np.uint32(1)) ^ (np.uint32(0) - (words & np.uint32(1)))).view(np.int32)


def _list_column(
    offsets: NDArray[np.int32], values: NDArray[Any], is_there: _Flags, kind: pa.DataType
) -> pa.Array:
    if not is_there.any():
        return pa.nulls(len(is_there), pa.list_(kind))
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values, kind), mask=pa.array(~is_there)
    )


def _lists(
    request: Scanned, points: Rows, column: int, is_there: _Flags, kind: type[np.generic]
) -> pa.Array | None:
    """Packed fixed64 of some points; None when they are broken."""
    arrow = pa.from_numpy_dtype(kind)
    if not is_there.any():
        return pa.nulls(len(points), pa.list_(arrow))
    sizes = points[:, column + 1] - points[:, column]
    offsets = np.zeros(len(points) + 1, np.int32)
    numbers = np.empty(int(sizes.sum()) // 8, np.int64)
    if (sizes % 8).any() or not take_fixed(request.data, points, column, offsets, numbers):
        return None
    return _list_column(offsets, numbers.view(kind), is_there, arrow)


def _fit(bounds: pa.Array, counts: pa.Array, count: Ints, is_judged: _Flags) -> bool:
    """Whether the buckets of each histogram fit its bounds and its count."""
    if not is_judged.any():
        return True
    of_bounds, of_counts = np.asarray(bounds.offsets), np.asarray(counts.offsets)
    how_many, buckets = np.diff(of_bounds), np.diff(of_counts)
    is_shaped = (buckets == how_many + 1) | ((buckets == 0) & (how_many == 0))
    if not is_shaped[is_judged].all():
        return False
    flat = np.asarray(bounds.values)
    of_point = np.repeat(np.arange(len(how_many)), how_many)
    is_same = of_point[1:] == of_point[:-1]
    is_odd = np.isnan(flat)
    is_odd[1:] |= is_same & ~(flat[1:] > flat[:-1])
    if is_odd[is_judged[of_point]].any():
        return False
    parts = np.asarray(counts.values)
    if len(parts) and parts.max() > _LARGEST_SUMMED:
        return False
    totals = np.zeros(len(parts) + 1, np.uint64)
    np.cumsum(parts, out=totals[1:])
    sums = totals[of_counts[1:]] - totals[of_counts[:-1]]
    has_counts = is_judged & (buckets > 0)
    return bool((sums == count.astype(np.uint64))[has_counts].all())


def _buckets(
    request: Scanned, points: Rows, kind: int, is_there: _Flags
) -> tuple[pa.Array, pa.Array] | None:
    """Offsets and counts of one side of exponential histograms; None when they are broken, or
    come twice, which is merged."""
    buckets = request.kind(kind)
    of_point = request.parents(buckets, layout.NUMBER_POINT, layout.SUMMARY_POINT)
    if (np.diff(of_point) <= 0).any():
        return None
    first = np.zeros(len(points), np.int32)
    first[of_point] = _zigzag(buckets[:, layout.BUCKETS_OFFSET])
    sizes = buckets[:, layout.BUCKETS_COUNTS_END] - buckets[:, layout.BUCKETS_COUNTS]
    offsets = np.zeros(len(buckets) + 1, np.int32)
    numbers = np.empty(int(sizes.sum()), np.int64)
    made = take_varints(request.data, buckets, layout.BUCKETS_COUNTS, offsets, numbers)
    if made < 0:
        return None
    how_many = np.zeros(len(points), np.int32)
    how_many[of_point] = np.diff(offsets)
    ends = np.concatenate(([0], np.cumsum(how_many))).astype(np.int32)
    counts = numbers[:made].view(np.uint64)
    return (
        _column(first, is_there, pa.int32()),
        _list_column(ends, counts, is_there, pa.uint64()),
    )


def _quantiles(request: Scanned, points: Rows, is_there: _Flags) -> dict[str, pa.Array]:
    quantiles = request.kind(layout.QUANTILE)
    of_point = request.parents(quantiles, layout.NUMBER_POINT, layout.SUMMARY_POINT)
    ends = np.searchsorted(of_point, np.arange(len(points) + 1)).astype(np.int32)
    found = {}
    for name, column in (
        ("quantiles", layout.QUANTILE_QUANTILE),
        ("quantile_values", layout.QUANTILE_VALUE),
    ):
        numbers = quantiles[:, column].copy().view(np.float64)
        found[name] = _list_column(ends, numbers, is_there, pa.float64())
    return found


def _exemplars(request: Scanned, points: Rows) -> pa.Array:
    exemplars = request.kind(layout.EXEMPLAR)
    texts = [""] * len(points)
    if len(exemplars):
        of_point = request.parents(exemplars, layout.NUMBER_POINT, layout.SUMMARY_POINT)
        found: dict[int, list[Exemplar]] = {}
        places = exemplars[:, layout.BEGIN : layout.END + 1].tolist()
        for point, (begin, end) in zip(of_point.tolist(), places, strict=True):
            found.setdefault(point, []).append(_exemplar(request.body[begin:end]))
        for point, messages in found.items():
            texts[point] = check_depth(otlp_json_text.exemplars_text(messages))
    return pa.array(texts, columns.METRIC_POINTS.field("exemplars").type)


def _exemplar(encoded: bytes) -> Exemplar:
    try:
        exemplar = Exemplar.FromString(encoded)
    except DecodeError:
        raise BadText from None
    has_ids = len(exemplar.trace_id) in (0, 16) and len(exemplar.span_id) in (0, 8)
    if not has_ids or not all(map(is_index_free, exemplar.filtered_attributes)):
        raise BadText
    return exemplar
