"""Quantiles: of sorted values, and of the buckets of classic histograms.

Rules are Prometheus' (promql/quantile.go, 3.5).
"""

from __future__ import annotations

import numpy as np

from longpole.analyzer.promql.series import Booleans, Floats, Integers

# Counts of neighbouring buckets this close together are equal but for rounding.
_TOLERANCE = 1e-12


def between(ordered: Floats, starts: Integers, sizes: Integers, q: Floats) -> Floats:
    """The q-quantile of each run of sorted values, linear between neighbours; -Inf for q below
    0, +Inf above 1."""
    with np.errstate(all="ignore"):
        rank = q * (sizes - 1)
        inside = np.clip(np.nan_to_num(rank, nan=0.0), 0, sizes - 1)
        lower = np.floor(inside).astype(np.int64)
        upper = np.minimum(lower + 1, sizes - 1)
        weight = inside - lower
        value = ordered[starts + lower] * (1 - weight) + ordered[starts + upper] * weight
    value = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, value))
    return np.where(np.isnan(q), np.nan, value)


def of_buckets(bounds: Floats, counts: Floats, q: Floats) -> tuple[Floats, bool]:
    """The q-quantile of a histogram at each step, and whether counts had to be made to rise.

    `bounds` (B) are upper bounds, rising, each once; `counts` (B x S) are cumulative; `q` is one
    for each step. NaN without a bucket +Inf, or without observations.
    """
    steps, is_forced = counts.shape[1], False
    if bounds.size < 2 or not np.isposinf(bounds[-1]):
        value = np.full(steps, np.nan)
    else:
        rising, fell = _rising(counts)
        value = _inside(bounds, rising, q)
        is_forced = bool((fell & (q >= 0) & (q <= 1) & (rising[-1] != 0)).any())
    value = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, value))
    return np.where(np.isnan(q), np.nan, value), is_forced


def _rising(counts: Floats) -> tuple[Floats, Booleans]:
    """Cumulative counts never fall; where they do, scrapes were torn. Also tells at which steps
    one fell by more than rounding."""
    fixed = counts.copy()
    previous = fixed[0].copy()
    has_fallen = np.zeros(previous.shape, bool)
    with np.errstate(all="ignore"):
        for row in fixed[1:]:
            close = np.abs(row - previous) <= _TOLERANCE * (np.abs(row) + np.abs(previous))
            has_fallen |= (row < previous) & ~close
            np.copyto(row, previous, where=close | (row < previous))
            previous = row.copy()
    return fixed, has_fallen


def _inside(bounds: Floats, counts: Floats, q: Floats) -> Floats:
    with np.errstate(all="ignore"):
        observations = counts[-1]
        rank = np.clip(q, 0, 1) * observations
        # The first bucket but the last that reaches the rank.
        reached = counts[:-1] >= rank
        place = np.where(reached.any(axis=0), reached.argmax(axis=0), bounds.size - 1)
        steps = np.arange(counts.shape[1])
        is_first, is_last = place == 0, place == bounds.size - 1
        before = np.maximum(place - 1, 0)
        begin = np.where(is_first, 0.0, bounds[before])
        below = np.where(is_first, 0.0, counts[before, steps])
        end, held = bounds[place], counts[place, steps] - below
        value = begin + (end - begin) * ((rank - below) / held)
        value = np.where(is_first & (bounds[0] <= 0), bounds[0], value)
        value = np.where(is_last, bounds[-2], value)
        return np.where((observations == 0) | np.isnan(observations), np.nan, value)


def share_between(bounds: Floats, counts: Floats, low: Floats, high: Floats) -> Floats:
    """Which share of the observations lies between two values, linear within a bucket."""
    if bounds.size < 2 or not np.isposinf(bounds[-1]):
        return np.full(counts.shape[1], np.nan)
    fixed, _ = _rising(counts)
    with np.errstate(all="ignore"):
        observations = fixed[-1]
        share = (_below(bounds, fixed, high) - _below(bounds, fixed, low)) / observations
        share = np.where(low >= high, 0.0, share)
        return np.where((observations == 0) | np.isnan(low) | np.isnan(high), np.nan, share)


def _below(bounds: Floats, counts: Floats, value: Floats) -> Floats:
    """How many observations lie below a value, at each step."""
    first = 0.0 if bounds[0] > 0 else -np.inf
    edges = np.concatenate(([first], bounds))
    padded = np.concatenate((np.zeros((1, counts.shape[1])), counts))
    place = np.clip(np.searchsorted(edges, value, "right") - 1, 0, edges.size - 2)
    steps = np.arange(counts.shape[1])
    begin, end = edges[place], edges[place + 1]
    low, high = padded[place, steps], padded[place + 1, steps]
    part = np.clip((value - begin) / (end - begin), 0, 1)
    # Nothing can be said of where observations lie in a bucket without an end; what lies below
    # infinity is then no number, in Prometheus too.
    part = np.where(np.isinf(end), np.where(np.isposinf(value), np.nan, 0.0), part)
    part = np.where(np.isinf(begin), np.where(value >= end, 1.0, 0.0), part)
    return np.where(value < first, 0.0, low + (high - low) * part)
