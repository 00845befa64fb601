"""Samples: how far the mean of one figure moved between two windows, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

_LARGEST_Z = 1_000.0


@dataclass(frozen=True, slots=True)
class Change:
    """`amount` is `after` less `before`, both means; `z` is Welch's statistic. `outliers` counts
    values of the window beyond twice the greatest of the baseline; a change that strikes few
    requests hard shows there and not in `z`."""

    amount: float
    before: float
    after: float
    z: float
    outliers: int = 0


def change_of(strata: Sequence[tuple[float, Sequence[float], Sequence[float]]]) -> Change:
    """The change over strata of (weight, baseline values, window values), none of them empty.

    Means and variances are weighted sums of those of the strata; the order of values does not
    matter.
    """
    before = after = variance = 0.0
    outliers = 0
    for weight, old, new in strata:
        mean_old, spread_old = _mean_and_spread(old)
        mean_new, spread_new = _mean_and_spread(new)
        before += weight * mean_old
        after += weight * mean_new
        variance += weight**2 * (spread_old / len(old) + spread_new / len(new))
        limit = 2 * max(old)
        outliers += sum(value > limit for value in new)
    amount = after - before
    error = sqrt(variance)
    if error > 0:
        z = max(-_LARGEST_Z, min(_LARGEST_Z, amount / error))
    else:
        z = 0.0 if amount == 0 else _LARGEST_Z if amount > 0 else -_LARGEST_Z
    return Change(amount, before, after, z, outliers)


def _mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and unbiased variance; of values in ascending order, so that sums never differ."""
    ordered = sorted(values)
    mean = sum(ordered) / len(ordered)
    if len(ordered) < 2:
        return mean, 0.0
    return mean, sum((value - mean) ** 2 for value in ordered) / (len(ordered) - 1)
