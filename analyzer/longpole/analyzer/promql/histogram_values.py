"""What one native histogram says: quantiles, shares, mean, variance, and how it is written.

Rules are Prometheus' (promql/quantile.go and functions.go, 3.5): within a bucket observations lie
evenly on the logarithmic scale, within the zero bucket on the linear one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from longpole.analyzer.promql.histograms import Floats, Histogram, ordered


def average(held: Histogram) -> float:
    """The mean of the observations."""
    with np.errstate(all="ignore"):
        return float(np.float64(held.total) / np.float64(held.count))


def variance(held: Histogram) -> float:
    """Of the observations, as if each lay in the middle of its bucket (on the logarithmic scale,
    and at 0 in the zero bucket)."""
    buckets = ordered(held)
    with np.errstate(all="ignore"):
        middle = np.sqrt(buckets.lower * buckets.upper)
        middle = np.where(buckets.upper < 0, -middle, middle)
        middle = np.where((buckets.lower <= 0) & (buckets.upper >= 0), 0.0, middle)
        away = middle - average(held)
        spread = np.float64((buckets.counts * away * away).sum())
        return float(spread / np.float64(held.count))


OF_HISTOGRAM: dict[str, Callable[[Histogram], float]] = {
    "histogram_avg": average,
    "histogram_count": lambda held: held.count,
    "histogram_stddev": lambda held: float(np.sqrt(variance(held))),
    "histogram_stdvar": variance,
    "histogram_sum": lambda held: held.total,
}


def quantile(held: Histogram, q: float) -> float:
    """The q-quantile; NaN without observations, -Inf and +Inf for a q beyond 0 and 1."""
    if q < 0:
        return -math.inf
    if q > 1:
        return math.inf
    if held.count == 0 or math.isnan(q) or math.isnan(held.count):
        return math.nan
    buckets = ordered(held)
    if not buckets.counts.size:
        return 0.0
    # Observations of NaN are in no bucket, so that only the way from below finds the rank.
    is_from_below = math.isnan(held.total) or q < 0.5
    rank = q * held.count if is_from_below else (1 - q) * held.count
    reached = np.cumsum(buckets.counts if is_from_below else buckets.counts[::-1])
    enough = np.flatnonzero(reached >= rank)
    step = int(enough[0]) if enough.size else reached.size - 1
    place = step if is_from_below else reached.size - 1 - step
    count = min(float(reached[step]), held.count)
    lower, upper = _edges(held, float(buckets.lower[place]), float(buckets.upper[place]))
    if count < rank:
        return upper
    inside = float(buckets.counts[place])
    share = ((rank - (count - inside)) if is_from_below else (count - rank)) / inside
    if lower <= 0 <= upper:
        return lower + (upper - lower) * share
    with np.errstate(all="ignore"):
        low, high = (float(np.log2(abs(edge))) for edge in (lower, upper))
        if lower > 0:
            return float(np.exp2(low + (high - low) * share))
        return -float(np.exp2(high + (low - high) * (1 - share)))


def _edges(held: Histogram, lower: float, upper: float) -> tuple[float, float]:
    """The zero bucket ends at 0 when there is nothing on its other side."""
    if lower < 0 < upper:
        if not held.negative.at.size and held.positive.at.size:
            return 0.0, upper
        if not held.positive.at.size and held.negative.at.size:
            return lower, 0.0
    return lower, upper


def fraction(held: Histogram, low: float, high: float) -> float:
    """Which share of the observations lies between two values."""
    if held.count == 0 or math.isnan(low) or math.isnan(high):
        return math.nan
    if low >= high:
        return 0.0
    buckets = ordered(held)
    edges = [
        _edges(held, lower, upper)
        for lower, upper in zip(buckets.lower.tolist(), buckets.upper.tolist(), strict=True)
    ]
    lower, upper = np.array(edges).reshape(-1, 2).T
    below = np.concatenate([[0.0], np.cumsum(buckets.counts)])
    ranks = [_rank(held, value, lower, upper, buckets.counts, below) for value in (low, high)]
    return (ranks[1] - ranks[0]) / held.count


def _rank(
    held: Histogram, value: float, lower: Floats, upper: Floats, counts: Floats, below: Floats
) -> float:
    """How many observations are below a value."""
    reached = np.flatnonzero((lower >= value) | (upper > value))
    if not reached.size:
        return held.count
    place = int(reached[0])
    start = float(below[place])
    begin, end = float(lower[place]), float(upper[place])
    if begin < value:
        if begin <= 0 <= end:
            share = (value - begin) / (end - begin)
        else:
            with np.errstate(all="ignore"):
                near, far, at = np.log2(np.abs(np.array([begin, end, value])))
            share = float((at - near) / (far - near))
        start += float(counts[place]) * share
    return min(start, held.count)


def text(held: Histogram) -> str:
    """As `count_values` makes a label of it: `{count:3, sum:4.5, (1,2]:3}`."""
    buckets = ordered(held)
    pieces = [f"count:{short(held.count)}", f"sum:{short(held.total)}"]
    rows = zip(buckets.lower.tolist(), buckets.upper.tolist(), buckets.counts.tolist(), strict=True)
    for lower, upper, count in rows:
        opening, closing = "[" if lower < 0 else "(", "]" if upper > 0 else ")"
        pieces.append(f"{opening}{short(lower)},{short(upper)}{closing}:{short(count)}")
    return "{" + ", ".join(pieces) + "}"


def short(value: float) -> str:
    """A number as Go's `%g` prints it."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    mantissa, _, exponent = np.format_float_scientific(value, trim="-").partition("e")
    if -4 <= int(exponent) < 6:
        return np.format_float_positional(value, trim="-")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):02d}"
