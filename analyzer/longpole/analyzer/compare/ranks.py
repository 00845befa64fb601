"""Stratified tests of whether head's values are higher than base's; insensitive to heavy tails.

Every stratum (traces of one kind) is compared within itself, so that neither the mix of kinds nor
the spread between them gets in the way. One-sided directions are in the sign of z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Traces of both sides: which are of the head, and the stratum of each (0, 1, …)."""

    is_head: Bools
    stratum: Ints

    @property
    def strata(self) -> int:
        """How many strata there are."""
        return int(self.stratum.max()) + 1 if self.stratum.size else 0


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]


def rank_scores(pooled: Pooled, values: Floats) -> Floats:
    """Each value's rank within its stratum minus the mean rank, over the stratum's size plus 1:
    the scores of van Elteren's test (1960). 0 in strata that only one side has."""
    return _scores(
        pooled, values, lambda ranks: (ranks - (ranks.size + 1) / 2.0) / (ranks.size + 1)
    )


def savage_scores(pooled: Pooled, values: Floats) -> Floats:
    """What the order statistics of an exponential distribution are at each value's rank within
    its stratum, minus their mean (Savage, 1956): high values count more than in ranks, so that a
    part of the traces that is much slower is seen. 0 in strata that only one side has."""
    return _scores(pooled, values, _savage)


def _savage(ranks: Floats) -> Floats:
    size = ranks.size
    # 1/n, 1/n + 1/(n-1), …: halves between them for ties.
    expected = np.cumsum(1.0 / np.arange(size, 0, -1))
    return np.interp(ranks, np.arange(1, size + 1), expected)


def _scores(pooled: Pooled, values: Floats, of: Callable[[Floats], Floats]) -> Floats:
    scores = np.zeros(values.size)
    order = np.argsort(pooled.stratum, kind="stable")
    bounds = np.searchsorted(pooled.stratum[order], np.arange(pooled.strata + 1))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        rows = order[begin:end]
        size = rows.size
        heads = int(pooled.is_head[rows].sum())
        if 0 < heads < size:
            found = of(midranks(values[rows]))
            scores[rows] = found - found.mean()
    return scores


def tail_scores(pooled: Pooled, values: Floats, quantile: float) -> Floats:
    """1 for values above their stratum's pooled quantile, else 0, minus the stratum's mean: the
    scores of the Cochran-Mantel-Haenszel test. 0 in strata that only one side has."""
    scores = np.zeros(values.size)
    for stratum in range(pooled.strata):
        rows = np.flatnonzero(pooled.stratum == stratum)
        heads = int(pooled.is_head[rows].sum())
        if 0 < heads < rows.size:
            above = values[rows] > np.quantile(values[rows], quantile)
            scores[rows] = above - above.mean()
    return scores


def two_sided(z: float) -> float:
    """The probability of a normal deviate at least so far from 0."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability of a chi-square deviate of at least that (Wilson and Hilferty, 1931)."""
    if freedom < 1:
        return 1.0
    if freedom == 1:
        return two_sided(math.sqrt(statistic))
    part = 2.0 / (9.0 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - (1 - part)) / math.sqrt(part)
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def benjamini_hochberg(p_values: list[float]) -> list[float]:
    """Adjusted p-values that hold the share of false claims among all (1995)."""
    adjusted = [1.0] * len(p_values)
    lowest = 1.0
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for rank in range(len(order), 0, -1):
        place = order[rank - 1]
        lowest = min(lowest, p_values[place] * len(order) / rank)
        adjusted[place] = lowest
    return adjusted
