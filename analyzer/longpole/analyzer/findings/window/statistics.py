"""Robust statistics for small samples: ranks, medians and slopes, no assumption on the shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_MOST_PAIRS = 300  # points of a slope; more are thinned out evenly
_MOST_EXACT = 400  # product of the sizes up to which the rank test is exact


def theil_sen(times: npt.NDArray[Any], values: npt.NDArray[Any]) -> float:
    """The median of the slopes between all pairs of points (Sen, "Estimates of the regression
    coefficient based on Kendall's tau", 1968); 0 when no two points differ in time."""
    step = max(1, -(-len(times) // _MOST_PAIRS))
    t, v = times[::step].astype(np.float64), values[::step].astype(np.float64)
    one, other = np.triu_indices(len(t), 1)
    apart = t[other] - t[one]
    moved = apart != 0
    if not moved.any():
        return 0.0
    return float(np.median((v[other] - v[one])[moved] / apart[moved]))


def rises(values: npt.NDArray[Any]) -> float:
    """Kendall's tau of values in the order of time: 1 when each is above the ones before it,
    -1 when below, about 0 when they go nowhere."""
    step = max(1, -(-len(values) // _MOST_PAIRS))
    v = values[::step].astype(np.float64)
    one, other = np.triu_indices(len(v), 1)
    return float(np.mean(np.sign(v[other] - v[one]))) if len(one) else 0.0


def chance_of_greater(sample: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """How likely the values of `sample` would lie so far above those of `other` if both came
    from one source: the one-sided test of Mann and Whitney (1947), exact for small samples.
    Ties count against a difference. 1 when a sample is empty."""
    n, m = len(sample), len(other)
    if not n or not m:
        return 1.0
    ordered = np.sort(other)
    below = int(np.searchsorted(ordered, sample, side="left").sum())  # pairs that are greater
    if n * m <= _MOST_EXACT:
        return _exact_tail(n, m, below)
    mean, spread = n * m / 2, math.sqrt(n * m * (n + m + 1) / 12)
    return 0.5 * math.erfc((below - 0.5 - mean) / (spread * math.sqrt(2)))


def _exact_tail(n: int, m: int, least: int) -> float:
    """The share of arrangements of n and m values with at least `least` pairs in order. Counts
    are the coefficients of a Gaussian binomial, built up factor by factor."""
    counts = np.zeros(n * m + 1, dtype=np.float64)
    counts[0] = 1.0
    for k in range(1, n + 1):
        # times (1 - q^(m+k)) / (1 - q^k)
        up = m + k
        if up <= n * m:
            counts[up:] -= counts[:-up].copy()
        for start in range(k):
            counts[start::k] = np.cumsum(counts[start::k])
    total = counts.sum()
    return float(np.clip(counts[least:].sum() / total, 0.0, 1.0)) if total > 0 else 1.0


def chance_of_more(hits: int, count: int, other_hits: int, other_count: int) -> float:
    """How likely `hits` of `count` would be so many if both had one share: the one-sided exact
    test of Fisher (hypergeometric)."""
    total, all_hits = count + other_count, hits + other_hits
    if not count or not other_count:
        return 1.0

    def log_choose(a: int, b: int) -> float:
        return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

    base = log_choose(total, count)
    chances = (
        math.exp(log_choose(all_hits, k) + log_choose(total - all_hits, count - k) - base)
        for k in range(max(hits, count - (total - all_hits)), min(all_hits, count) + 1)
    )
    return min(1.0, sum(chances))
