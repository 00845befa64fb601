"""Exponential histograms as classic ones, whose bounds stand still while their scale changes.

A bound is 2^(g/4) for a whole g, so neighbours differ by 19 % (Prometheus' schema 2, OTLP's scale
2). Points of a finer scale have all of these bounds, so their counts are exact; in a coarser
bucket what is counted is taken to lie evenly on the logarithmic scale, as Prometheus does within a
native bucket.

    scale 3   |1|0|2|1|      edges 2^(i/8)
    grid      |  1  |  3  |  edges 2^(g/4)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from longpole.analyzer.promql.series import Floats, Integers

GRID_SCALE = 2
MOST_BOUNDS = 2_000  # on one side of zero


def grid_of(shapes: Sequence[Mapping[str, Any]], sign: str) -> Integers:
    """The bounds (as g) that cover every bucket of these shapes (`answers.POINT_SHAPES`); empty
    without buckets. Beyond `MOST_BOUNDS` the lowest ones are left out."""
    lows, highs = [], []
    for shape in shapes:
        low, high = shape[f"{sign}_from"], shape[f"{sign}_to"]
        if low is not None and high is not None and high > low:
            step = 2.0 ** (GRID_SCALE - shape["scale"])
            lows.append(int(np.floor(low * step)))
            highs.append(int(np.ceil(high * step)))
    if not lows:
        return np.zeros(0, np.int64)
    top = max(highs)
    return np.arange(max(min(lows), top - MOST_BOUNDS), top + 1, dtype=np.int64)


def bounds_of(negative: Integers, positive: Integers) -> list[float]:
    """Upper bounds in rising order: negative ones, zero, positive ones, without infinity. Those
    that a double cannot tell apart from nothing or infinity are 0 and inf."""
    with np.errstate(over="ignore", under="ignore"):
        high = np.exp2(positive / 2.0**GRID_SCALE)
        low = -np.exp2(negative[::-1] / 2.0**GRID_SCALE)
    return [*low.tolist(), 0.0, *high.tolist()]


def counts_at(point: Mapping[str, Any], negative: Integers, positive: Integers) -> Floats:
    """How many values of a point (columns of `METRIC_POINTS`) are at or below each bound of
    `bounds_of`."""
    scale = point["scale"] or 0
    below = _cumulative(point, "negative", scale, negative)
    above = _cumulative(point, "positive", scale, positive)
    all_negative = float(sum(point["negative_counts"] or ()))
    to_zero = all_negative + float(point["zero_count"] or 0)
    return np.concatenate([all_negative - below[::-1], [to_zero], to_zero + above])


def _cumulative(point: Mapping[str, Any], sign: str, scale: int, grid: Integers) -> Floats:
    """How many values of that sign have a size up to each bound of the grid."""
    counts = point[f"{sign}_counts"] or ()
    if not len(counts) or not len(grid):
        return np.zeros(len(grid))
    offset = point[f"{sign}_offset"] or 0
    edges = (offset + np.arange(len(counts) + 1)) * 2.0 ** (GRID_SCALE - scale)
    summed = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    return np.asarray(np.interp(grid, edges, summed))
