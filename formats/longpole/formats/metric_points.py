"""One metric point: whether it can be kept, and its columns."""

from __future__ import annotations

import math
from typing import Any

from longpole.formats import otlp_json_text

NO_RECORDED_VALUE = 1  # bit of `flags`

_NO_TIME = (
    "point_without_time",
    "The metric point has no time; the point is not kept.",
)
_NO_VALUE = (
    "point_without_value",
    "The metric point has neither a value nor the flag that says so; the point is not kept.",
)
_BUCKETS = (
    "histogram_buckets_mismatch",
    "The histogram point does not have one bucket more than it has bounds; the point is not kept.",
)
_BOUNDS = (
    "histogram_bounds_unordered",
    "The bounds of the histogram point do not strictly increase; the point is not kept.",
)
_COUNT = (
    "histogram_count_mismatch",
    "The buckets of the histogram point do not add up to its count; the point is not kept.",
)
_SCALE = (
    "exponential_scale_out_of_range",
    "The scale of the exponential histogram point is not between -10 and 20; the point is "
    "not kept.",
)


def fault_of(kind: str, point: Any) -> tuple[str, str] | None:
    """Code and message of the reason not to keep a point, None for a good one. A point that
    says it has no recorded value is not asked for its shape."""
    if not point.time_unix_nano:
        return _NO_TIME
    if point.flags & NO_RECORDED_VALUE:
        return None
    if kind in ("gauge", "sum"):
        return None if point.WhichOneof("value") else _NO_VALUE
    if kind == "histogram":
        bounds, counts = point.explicit_bounds, point.bucket_counts
        if (bounds or counts) and len(counts) != len(bounds) + 1:
            return _BUCKETS
        if any(not low < high for low, high in zip(bounds, bounds[1:], strict=False)) or any(
            math.isnan(bound) for bound in bounds
        ):
            return _BOUNDS
        if counts and sum(counts) != point.count:
            return _COUNT
    if kind == "exponential_histogram" and not -10 <= point.scale <= 20:
        return _SCALE
    return None


def values_of(kind: str, point: Any) -> dict[str, Any]:
    """Columns by name; what a kind does not have stays away (null)."""
    values: dict[str, Any] = {
        "start_unix_nano": point.start_time_unix_nano,
        "time_unix_nano": point.time_unix_nano,
        "flags": point.flags,
        "exemplars": "",
    }
    if kind != "summary":
        values["exemplars"] = otlp_json_text.exemplars_text(point.exemplars)
    if kind in ("gauge", "sum"):
        which = point.WhichOneof("value")
        if which == "as_int":
            values["value_int"] = point.as_int
        elif which == "as_double":
            values["value_double"] = point.as_double
        return values
    values["count"] = point.count
    if kind == "summary":
        values["sum"] = point.sum
        values["quantiles"] = [entry.quantile for entry in point.quantile_values]
        values["quantile_values"] = [entry.value for entry in point.quantile_values]
        return values
    for name in ("sum", "min", "max"):
        if point.HasField(name):
            values[name] = getattr(point, name)
    if kind == "histogram":
        values["explicit_bounds"] = list(point.explicit_bounds)
        values["bucket_counts"] = list(point.bucket_counts)
        return values
    values["scale"] = point.scale
    values["zero_count"] = point.zero_count
    values["zero_threshold"] = point.zero_threshold
    values["positive_offset"] = point.positive.offset
    values["positive_counts"] = list(point.positive.bucket_counts)
    values["negative_offset"] = point.negative.offset
    values["negative_counts"] = list(point.negative.bucket_counts)
    return values


def fill_point(kind: str, point: Any, row: dict[str, Any]) -> None:
    """The inverse of `values_of`: set a message's fields from a row of columns."""
    point.start_time_unix_nano = row["start_unix_nano"] % 2**64
    point.time_unix_nano = row["time_unix_nano"] % 2**64
    point.flags = row["flags"]
    if kind in ("gauge", "sum"):
        if row["value_int"] is not None:
            point.as_int = row["value_int"]
        elif row["value_double"] is not None:
            point.as_double = row["value_double"]
    else:
        point.count = row["count"] or 0
        for name in ("sum",) if kind == "summary" else ("sum", "min", "max"):
            if row[name] is not None:
                setattr(point, name, row[name])
    if kind == "summary":
        for quantile, value in zip(row["quantiles"], row["quantile_values"], strict=True):
            point.quantile_values.add(quantile=quantile, value=value)
        return
    if kind == "histogram":
        point.explicit_bounds.extend(row["explicit_bounds"] or ())
        point.bucket_counts.extend(row["bucket_counts"] or ())
    elif kind == "exponential_histogram":
        for name in ("scale", "zero_count", "zero_threshold"):
            # Not `or 0`: a threshold of -0.0 keeps its sign.
            if row[name] is not None:
                setattr(point, name, row[name])
        for side in ("positive", "negative"):
            buckets = getattr(point, side)
            buckets.offset = row[f"{side}_offset"] or 0
            buckets.bucket_counts.extend(row[f"{side}_counts"] or ())
    if row["exemplars"]:
        point.exemplars.extend(otlp_json_text.exemplars_of_text(row["exemplars"]))
