"""Functions of range vectors, each over all windows at once.

Rules are Prometheus' (promql/functions.go, 3.5): windows are left-open, NaN is a value, rates are
extrapolated to the borders of the window unless the next sample would have been far away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from longpole.analyzer.promql.quantiles import between
from longpole.analyzer.promql.series import Booleans, Floats, Integers
from longpole.analyzer.promql.vectors import Vector
from longpole.analyzer.promql.windows import Elements, Windows

# A border further away than this many typical distances belongs to no sample of the series.
FAR = 1.1
# So many resets are looked up one by one.
_FEW_FALLS = 20_000
# Windows that are worked on at once.
_BLOCK = 1 << 14


def extrapolated(w: Windows, *, is_counter: bool, is_rate: bool) -> Vector:
    """`rate`, `increase` and `delta`: growth between first and last sample, as if it went on to
    the borders of the window; a counter that falls was reset."""
    lost = _lost_in_resets(w) if is_counter else 0.0
    seconds = w.range_ms / 1000 if is_rate else 1.0
    shared = _timing(replace(w, lo=w.lo[:1], hi=w.hi[:1])) if w.is_aligned else None
    result = np.empty(w.lo.shape)
    # Blocks that stay in the processor's cache: a dozen passes over all windows would wait for
    # memory, and hold a dozen times as much.
    rows = max(1, _BLOCK // max(1, w.lo.shape[1]))
    for begin in range(0, w.lo.shape[0], rows):
        block = slice(begin, begin + rows)
        part = replace(w, lo=w.lo[block], hi=w.hi[block])
        extra = lost if isinstance(lost, float) else lost[block]
        timing = shared or _timing(part)
        result[block] = _grown(part, timing, extra, seconds, is_counter=is_counter)
    return w.vector(result, least=2)


@dataclass(frozen=True, slots=True)
class _Timing:
    """Seconds between the first and the last sample of windows, and from these to the borders as
    far as growth goes on."""

    sampled: Floats
    to_start: Floats
    to_end: Floats


def _timing(w: Windows) -> _Timing:
    first_ms, last_ms = w.at(w.lo)[1], w.at(w.hi - 1)[1]
    with np.errstate(all="ignore"):
        to_start = (first_ms - (w.ends_ms - w.range_ms)) / 1000
        to_end = (w.ends_ms - last_ms) / 1000
        sampled = (last_ms - first_ms) / 1000
        typical = sampled / (w.counts - 1)
        return _Timing(
            sampled,
            np.where(to_start >= typical * FAR, typical / 2, to_start),
            np.where(to_end >= typical * FAR, typical / 2, to_end),
        )


def _grown(
    w: Windows, timing: _Timing, lost: Floats | float, seconds: float, *, is_counter: bool
) -> Floats:
    first, last = w.value_at(w.lo), w.value_at(w.hi - 1)
    sampled, to_start = timing.sampled, timing.to_start
    with np.errstate(all="ignore"):
        grown = last - first + lost
        if is_counter:
            # A counter is never below zero, so it cannot have begun before it was zero.
            to_zero = np.where((grown > 0) & (first >= 0), sampled * (first / grown), to_start)
            to_start = np.minimum(to_start, to_zero)
        # In the order of Prometheus' divisions, so that most results are equal to the last bit.
        return np.asarray(grown * ((sampled + to_start + timing.to_end) / sampled / seconds))


def _lost_in_resets(w: Windows) -> Floats | float:
    """The sum of the values from which a counter fell, within each window."""
    dropped = fell(w)
    places = np.flatnonzero(dropped)
    if places.size <= _FEW_FALLS + len(w.labels):
        return _lost_in_few(w, places)
    # Nearly all windows are without a reset, so only the others are added up.
    rows, columns = np.nonzero(_flagged(w, dropped) > 0)
    if not rows.size:
        return 0.0
    lost = np.where(dropped, np.concatenate(([0.0], w.values[:-1])), 0.0)
    lo, hi = w.lo[rows, columns] + 1, w.hi[rows, columns]
    found = np.zeros(w.lo.shape)
    bounds = np.column_stack((lo, hi)).ravel()
    found[rows, columns] = np.add.reduceat(np.append(lost, 0.0), bounds)[::2]
    return found


def _lost_in_few(w: Windows, places: Integers) -> Floats | float:
    """The same for few samples that are below the one before: each is looked up in the windows of
    its series. The first sample of a series may be among them, and is in no window behind another
    one."""
    if not w.lo.size:
        return 0.0
    rows = np.searchsorted(w.hi[:, -1], places, "right")
    inside = np.minimum(rows, w.lo.shape[0] - 1)
    is_within = (rows < w.lo.shape[0]) & (w.lo[inside, 0] < places)
    if w.lo.shape[1] == 1:
        rows, places = rows[is_within], places[is_within]
        lost = np.bincount(rows, w.values[places - 1], w.lo.shape[0])
        return np.asarray(lost, np.float64)[:, None] if rows.size else 0.0
    found: Floats | None = None
    for row, place in zip(rows[is_within].tolist(), places[is_within].tolist(), strict=True):
        holds = (w.lo[row] < place) & (place < w.hi[row])
        if holds.any():
            found = np.zeros(w.lo.shape) if found is None else found
            found[row][holds] += w.values[place - 1]
    return 0.0 if found is None else found


def fell(w: Windows) -> Booleans:
    """Which sample is below the one before it; across series it does not matter."""
    flags = np.zeros(w.values.size, bool)
    with np.errstate(invalid="ignore"):
        flags[1:] = w.values[1:] < w.values[:-1]
    return flags


def _flagged(w: Windows, flags: Booleans) -> Integers:
    """How many flagged steps from one sample to the next each window holds."""
    running = np.concatenate((np.cumsum(flags, dtype=np.int32), [0]))
    high, low = np.maximum(w.hi - 1, 0), np.minimum(w.lo, running.size - 1)
    return np.where(w.counts > 1, running[high] - running[low], 0)


def moves(w: Windows, flags: Booleans) -> Vector:
    """How many flagged steps from one sample to the next each window holds, as its value."""
    return w.vector(_flagged(w, flags).astype(np.float64))


def changed(w: Windows) -> Booleans:
    """Which sample is another value than the one before it; from NaN to NaN is no change."""
    flags = np.zeros(w.values.size, bool)
    before, after = w.values[:-1], w.values[1:]
    flags[1:] = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return flags


def resets(w: Windows) -> Vector:
    """How often a counter fell."""
    return moves(w, fell(w))


def instant_change(w: Windows, *, is_rate: bool) -> Vector:
    """`irate` and `idelta`: from the last sample but one to the last."""
    last, last_ms = w.at(w.hi - 1)
    before, before_ms = w.at(w.hi - 2)
    passed_ms = last_ms - before_ms
    with np.errstate(all="ignore"):
        change = last - before
        if is_rate:
            change = np.where(last < before, last, change) / (passed_ms / 1000)
    return w.vector(change, least=2)


def mean(w: Windows) -> Vector:
    """`avg_over_time`."""
    with np.errstate(all="ignore"):
        direct = w.reduced(np.add) / w.counts
        too_large = np.isinf(direct)
        if too_large.any():
            # The sum may overflow where the mean does not.
            parts = w.by_element(lambda e: e.total(e.values / e.spread(e.sizes)))
            direct = np.where(too_large, parts, direct)
        return w.vector(direct)


def variance(w: Windows) -> Vector:
    """`stdvar_over_time`, of the samples as the whole population."""

    def of(e: Elements) -> Floats:
        with np.errstate(all="ignore"):
            away = e.values - e.spread(e.total(e.values) / e.sizes)
            return np.asarray(e.total(away * away) / e.sizes)

    return w.vector(w.by_element(of))


def _line(e: Elements, origin_ms: Floats) -> tuple[Floats, Floats]:
    """Slope per second and value at the origin of the line of least squares."""
    with np.errstate(all="ignore"):
        x = (e.times_ms - e.spread(origin_ms)) / 1000
        n, sum_x, sum_y = e.sizes, e.total(x), e.total(e.values)
        covariance = e.total(x * e.values) - sum_x * sum_y / n
        spread = e.total(x * x) - sum_x * sum_x / n
        slope = covariance / spread
        at_origin = sum_y / n - slope * sum_x / n
        first = e.values[e.starts]
        is_flat = np.logical_and.reduceat(e.values == e.spread(first), e.starts)
        odd = np.where(np.isinf(first), np.nan, first)
        slope = np.where(is_flat, odd * 0, slope)
        return slope, np.where(is_flat, odd, at_origin)


def derivative(w: Windows) -> Vector:
    """`deriv`: the slope per second."""

    def of(e: Elements) -> Floats:
        return _line(e, e.times_ms[e.starts].astype(np.float64))[0]

    return w.vector(w.by_element(of, least=2), least=2)


def predicted(w: Windows, seconds: Floats) -> Vector:
    """`predict_linear`: where the line will be that many seconds after each step."""
    slopes = w.by_element(lambda e: _line(e, e.steps_ms.astype(np.float64))[0], least=2)
    values = w.by_element(lambda e: _line(e, e.steps_ms.astype(np.float64))[1], least=2)
    with np.errstate(all="ignore"):
        return w.vector(slopes * seconds + values, least=2)


def quantile(w: Windows, q: Floats) -> Vector:
    """`quantile_over_time`, linear between neighbours; NaN is below everything."""
    step_of = {int(at): step for step, at in enumerate(w.steps_ms)}

    def of(e: Elements) -> Floats:
        window = e.spread(np.arange(e.sizes.size)).astype(np.int64)
        order = np.lexsort((e.values, ~np.isnan(e.values), window))
        wanted = q[[step_of[int(at)] for at in e.steps_ms]]
        return between(e.values[order], e.starts, e.sizes, wanted)

    return w.vector(w.by_element(of))


# Those that take nothing but the range.
OF_RANGE: dict[str, Callable[[Windows], Vector]] = {
    "avg_over_time": mean,
    "changes": lambda w: moves(w, changed(w)),
    "count_over_time": lambda w: w.vector(w.counts.astype(np.float64)),
    "delta": lambda w: extrapolated(w, is_counter=False, is_rate=False),
    "deriv": derivative,
    "idelta": lambda w: instant_change(w, is_rate=False),
    "increase": lambda w: extrapolated(w, is_counter=True, is_rate=False),
    "irate": lambda w: instant_change(w, is_rate=True),
    "last_over_time": lambda w: w.vector(w.at(w.hi - 1)[0]),
    "max_over_time": lambda w: w.vector(w.reduced(np.fmax)),
    "min_over_time": lambda w: w.vector(w.reduced(np.fmin)),
    "present_over_time": lambda w: w.vector(np.ones(w.lo.shape)),
    "rate": lambda w: extrapolated(w, is_counter=True, is_rate=True),
    "resets": resets,
    "stddev_over_time": lambda w: _root(variance(w)),
    "stdvar_over_time": variance,
    "sum_over_time": lambda w: w.vector(w.reduced(np.add)),
}


def _root(vector: Vector) -> Vector:
    return vector.with_values(np.sqrt(vector.values))
