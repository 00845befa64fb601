"""Native histograms as sample values: exponential buckets, of which the populated ones are held.

A bucket with the index i reaches from 2^((i-1)/2^schema), exclusive, to 2^(i/2^schema), inclusive;
negative buckets mirror the positive ones, and everything within the zero threshold is in the zero
bucket. All counts are floats. Rules are Prometheus' (model/histogram, 3.5); two histograms are
equal when they say the same, whatever empty buckets were sent along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
# Elements are `Histogram`, or None where there is none.
Histograms: TypeAlias = NDArray[np.object_]

LEAST_SCHEMA, MOST_SCHEMA = -4, 8


class Hint(StrEnum):
    """What is known of a histogram's counters without a look at the one before."""

    UNKNOWN = "unknown"
    RESET = "reset"
    NOT_RESET = "not_reset"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Populated buckets of one side: rising indices, and a count other than 0 for each."""

    at: Integers
    counts: Floats

    @staticmethod
    def of(at: Integers, counts: Floats) -> Buckets:
        """From rising indices; empty buckets are left out."""
        held = counts != 0
        return Buckets(at, counts) if held.all() else Buckets(at[held], counts[held])

    def coarser(self, by: int) -> Buckets:
        """With 2^by neighbours in one."""
        if not by or not self.at.size:
            return self
        return _summed(((self.at - 1) >> by) + 1, self.counts)


NO_BUCKETS = Buckets(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """One value. `total` is the sum of all observations."""

    schema: int
    zero_threshold: float
    zero_count: float
    count: float
    total: float
    positive: Buckets = NO_BUCKETS
    negative: Buckets = NO_BUCKETS
    hint: Hint = Hint.UNKNOWN

    @property
    def size(self) -> int:
        """How many numbers it holds, for limits."""
        return 1 + self.positive.at.size + self.negative.at.size

    def coarser(self, schema: int) -> Histogram:
        """The same at a schema that is not finer."""
        by = self.schema - schema
        if not by:
            return self
        return replace(
            self,
            schema=schema,
            positive=self.positive.coarser(by),
            negative=self.negative.coarser(by),
        )

    def times(self, factor: float) -> Histogram:
        """Everything multiplied."""
        return self._with_each(lambda values: values * factor)

    def divided(self, divisor: float) -> Histogram:
        """Everything divided; no bucket stays when the divisor is 0."""
        kept = self
        if divisor == 0:
            kept = replace(self, positive=NO_BUCKETS, negative=NO_BUCKETS)
        return kept._with_each(lambda values: values / divisor)

    def _with_each(self, work: Callable[[Floats], Floats]) -> Histogram:
        with np.errstate(all="ignore"):
            zero, count, total = work(np.array([self.zero_count, self.count, self.total])).tolist()
            return replace(
                self,
                zero_count=zero,
                count=count,
                total=total,
                positive=Buckets.of(self.positive.at, work(self.positive.counts)),
                negative=Buckets.of(self.negative.at, work(self.negative.counts)),
            )


@lru_cache(maxsize=1)
def _fractions() -> Floats:
    """2^(k/256) / 2 for k from 0 to 255, each rounded once."""
    exact = Context(prec=40)
    root = exact.power(Decimal(2), Decimal(1) / 256)
    return np.array([float(exact.power(root, k)) / 2 for k in range(256)])


def bounds(at: Integers, schema: int) -> Floats:
    """The upper bounds (as sizes) of buckets. The last one of a schema, 2^1024, is the largest
    double; beyond it there is infinity."""
    if schema > 0:
        parts = 1 << schema
        fraction = _fractions()[(at & (parts - 1)) << (MOST_SCHEMA - schema)]
        exponent = (at >> schema) + 1
    else:
        fraction, exponent = np.full(at.size, 0.5), (at << -schema) + 1
    is_last = (fraction == 0.5) & (exponent == 1025)
    with np.errstate(over="ignore", under="ignore"):
        found = np.ldexp(fraction, np.clip(exponent, -2000, 2000).astype(np.int32))
    return np.asarray(np.where(is_last, np.finfo(np.float64).max, found))


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """All populated buckets from the lowest value up, the zero bucket among them; none of them
    reaches into the zero bucket."""

    lower: Floats
    upper: Floats
    counts: Floats


def ordered(held: Histogram) -> Ordered:
    """The buckets of a histogram on the line of values."""
    below, above = held.negative, held.positive
    far = -bounds(below.at, held.schema)[::-1]
    near = np.minimum(-bounds(below.at - 1, held.schema)[::-1], -held.zero_threshold)
    low = np.maximum(bounds(above.at - 1, held.schema), held.zero_threshold)
    high = bounds(above.at, held.schema)
    zero = [held.zero_threshold] if held.zero_count > 0 else []
    return Ordered(
        np.concatenate([far, [-one for one in zero], low]),
        np.concatenate([near, zero, high]),
        np.concatenate([below.counts[::-1], [held.zero_count] if zero else [], above.counts]),
    )


def combined(
    parts: Sequence[tuple[float, Histogram]], schema: int | None = None, hint: Hint | None = None
) -> Histogram:
    """The sum of some histograms, each times a factor, at the coarsest of their schemas (or a
    given coarser one) and with a zero bucket that cuts no populated bucket of any."""
    least = min(one.schema for _, one in parts)
    schema = least if schema is None else min(least, schema)
    held = [one for _, one in parts]
    if len({one.zero_threshold for one in held}) > 1:
        held = _with_equal_zero(held)
    first = held[0]
    with np.errstate(all="ignore"):
        factors = np.array([factor for factor, _ in parts])
        zero, count, total = (
            np.array([(one.zero_count, one.count, one.total) for one in held]).T @ factors
        ).tolist()
        return Histogram(
            schema,
            first.zero_threshold,
            zero,
            count,
            total,
            _joined([one.positive.coarser(one.schema - schema) for one in held], factors),
            _joined([one.negative.coarser(one.schema - schema) for one in held], factors),
            _hint([one.hint for one in held]) if hint is None else hint,
        )


def mean(held: Sequence[Histogram]) -> Histogram:
    """The mean of some histograms."""
    return combined([(1.0, one) for one in held]).divided(float(len(held)))


def _joined(sides: Sequence[Buckets], factors: Floats) -> Buckets:
    chosen = [(side, factor) for side, factor in zip(sides, factors, strict=True) if side.at.size]
    if not chosen:
        return NO_BUCKETS
    first = chosen[0][0].at
    if all(side.at is first or np.array_equal(side.at, first) for side, _ in chosen[1:]):
        total = chosen[0][0].counts * chosen[0][1]
        for side, factor in chosen[1:]:
            total = total + side.counts * factor
        return Buckets.of(first, total)
    return _summed(
        np.concatenate([side.at for side, _ in chosen]),
        np.concatenate([side.counts * factor for side, factor in chosen]),
    )


def _summed(at: Integers, counts: Floats) -> Buckets:
    distinct, place = np.unique(at, return_inverse=True)
    return Buckets.of(distinct, np.bincount(place, counts, distinct.size).astype(np.float64))


def _hint(hints: Sequence[Hint]) -> Hint:
    if Hint.GAUGE in hints:
        return Hint.GAUGE
    return hints[0] if len(set(hints)) == 1 else Hint.UNKNOWN


def _with_equal_zero(held: Sequence[Histogram]) -> list[Histogram]:
    """Zero buckets widened until they are equal and end where no populated bucket goes on."""
    threshold = max(one.zero_threshold for one in held)
    while True:
        wider = max(_widened(one, threshold) for one in held)
        if wider == threshold:
            return [_with_zero(one, threshold) for one in held]
        threshold = wider


def _widened(one: Histogram, threshold: float) -> float:
    """The threshold, or the far end of the populated bucket that it cuts."""
    for side in (one.positive, one.negative):
        upper = bounds(side.at, one.schema)
        cut = upper[(bounds(side.at - 1, one.schema) < threshold) & (upper > threshold)]
        if cut.size and threshold > one.zero_threshold:
            threshold = float(cut[0])
    return threshold


def _with_zero(one: Histogram, threshold: float) -> Histogram:
    if threshold == one.zero_threshold:
        return one
    sides, zero = [], one.zero_count
    for side in (one.positive, one.negative):
        is_inside = bounds(side.at, one.schema) <= threshold
        zero += float(side.counts[is_inside].sum())
        sides.append(Buckets(side.at[~is_inside], side.counts[~is_inside]))
    return replace(
        one, zero_threshold=threshold, zero_count=zero, positive=sides[0], negative=sides[1]
    )


def are_equal(one: Histogram, other: Histogram) -> bool:
    """Whether both say the same; NaN is equal to NaN."""
    mine = (one.schema, one.zero_threshold, one.zero_count, one.count, one.total)
    theirs = (other.schema, other.zero_threshold, other.zero_count, other.count, other.total)
    return np.array_equal(mine, theirs, equal_nan=True) and all(
        np.array_equal(a.at, b.at) and np.array_equal(a.counts, b.counts, equal_nan=True)
        for a, b in ((one.positive, other.positive), (one.negative, other.negative))
    )


def is_reset(now: Histogram, before: Histogram) -> bool:
    """Whether counters began anew: something is counted less often than before, or the buckets
    became finer."""
    if now.hint in (Hint.RESET, Hint.NOT_RESET):
        return now.hint is Hint.RESET
    if now.count < before.count or now.schema > before.schema:
        return True
    if now.zero_threshold != before.zero_threshold:
        if now.zero_threshold < before.zero_threshold:
            return True
        if _widened(before, now.zero_threshold) != now.zero_threshold:
            return True
        before = _with_zero(before, now.zero_threshold)
    if now.zero_count < before.zero_count:
        return True
    by = before.schema - now.schema
    return _fell(now.positive, before.positive.coarser(by)) or _fell(
        now.negative, before.negative.coarser(by)
    )


def _fell(now: Buckets, before: Buckets) -> bool:
    if not before.at.size:
        return False
    if not now.at.size:
        return True
    if now.at.size == before.at.size and np.array_equal(now.at, before.at):
        return bool((now.counts < before.counts).any())
    places = np.minimum(np.searchsorted(now.at, before.at), now.at.size - 1)
    found = now.at[places] == before.at
    return not found.all() or bool((now.counts[places] < before.counts).any())
