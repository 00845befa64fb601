"""Range vectors: which samples each step of each series looks at, as ranges of one flat array.

    samples of series 0 | samples of series 1 | …        flat, in time order within a series
         [lo--hi)  step 3
           [lo---hi)  step 4                              windows overlap and share the samples

Reductions run over all windows at once with NumPy's `reduceat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from longpole.analyzer.promql.budget import Budget, unbounded
from longpole.analyzer.promql.histograms import Histograms
from longpole.analyzer.promql.series import (
    Booleans,
    Floats,
    Integers,
    Labels,
    Series,
    are_histograms,
    is_stale,
    joined_histograms,
)
from longpole.analyzer.promql.vectors import Vector

# Elements of windows written out at once, for functions that need them one by one.
CHUNK = 1 << 21
# Elements that are reduced between two looks at the clock: some tens of milliseconds.
_REDUCED_AT_ONCE = 1 << 24


@dataclass(frozen=True, slots=True)
class Windows:
    """`lo` and `hi` are N x S indices into `values` and `times_ms`; a window looks at
    (`ends_ms` - `range_ms`, `ends_ms`]. `steps_ms` are the times of the steps themselves. Looking
    at every sample of every window is paid from `budget`. `histograms` are those among the samples,
    as in `Series`; work on floats is done on `floats()`. `is_aligned`: all series have their
    samples at the same times, so that what only depends on these is the same for every row."""

    labels: tuple[Labels, ...]
    times_ms: Integers
    values: Floats
    lo: Integers
    hi: Integers
    ends_ms: Integers
    steps_ms: Integers
    range_ms: int
    budget: Budget = field(default_factory=unbounded)
    histograms: Histograms | None = None
    is_aligned: bool = False

    @property
    def counts(self) -> Integers:
        """Samples in each window."""
        return self.hi - self.lo

    def floats(self) -> Windows:
        """The windows without histograms."""
        if self.histograms is None:
            return self
        return replace(self._only(~are_histograms(self.histograms)), histograms=None)

    def only_histograms(self) -> Windows:
        """The windows without floats."""
        if self.histograms is None:
            return self._only(np.zeros(self.values.size, bool))
        return self._only(are_histograms(self.histograms))

    def _only(self, kept: Booleans) -> Windows:
        before = np.concatenate(([0], np.cumsum(kept, dtype=np.int64)))
        return replace(
            self,
            times_ms=self.times_ms[kept],
            values=self.values[kept],
            histograms=None if self.histograms is None else self.histograms[kept],
            lo=before[self.lo],
            hi=before[self.hi],
            is_aligned=False,
        )

    def vector(self, values: Floats, least: int = 1) -> Vector:
        """A value for each window, absent where it holds fewer than `least` samples."""
        return Vector(self.labels, values, self.counts >= least)

    def reduced(self, ufunc: np.ufunc, values: Floats | None = None) -> Floats:
        """`ufunc` over each window; NaN for those without samples."""
        held = self.values if values is None else values
        lo, hi = self.lo.ravel(), self.hi.ravel()
        counts = hi - lo
        active = np.flatnonzero(counts > 0)
        result = np.full(lo.size, np.nan)
        self.budget.spend(int(counts[active].sum()))
        # reduceat refuses an index at the very end, so one more element stands there.
        padded = np.append(held, 0.0)
        for chosen in _chunks(active, counts, _REDUCED_AT_ONCE):
            self.budget.check_time()
            bounds = np.column_stack((lo[chosen], hi[chosen])).ravel()
            result[chosen] = ufunc.reduceat(padded, bounds)[::2]
        return result.reshape(self.lo.shape)

    def at(self, places: Integers) -> tuple[Floats, Floats]:
        """Value and time (ms) of one sample of each window; of windows without samples whatever."""
        if not self.values.size:
            nothing = np.full(places.shape, np.nan)
            return nothing, nothing
        inside = np.clip(places, 0, self.values.size - 1)
        return self.values[inside], self.times_ms[inside].astype(np.float64)

    def value_at(self, places: Integers) -> Floats:
        """The values alone."""
        if not self.values.size:
            return np.full(places.shape, np.nan)
        return np.asarray(self.values[np.clip(places, 0, self.values.size - 1)])

    def by_element(self, work: Callable[[Elements], Floats], least: int = 1) -> Floats:
        """`work` on windows written out element by element, in chunks of bounded size; NaN for
        those with fewer than `least` samples."""
        lo, counts = self.lo.ravel(), self.counts.ravel()
        result = np.full(lo.size, np.nan)
        active = np.flatnonzero(counts >= least)
        ends = np.broadcast_to(self.steps_ms, self.lo.shape).ravel()
        self.budget.spend(int(counts[active].sum()))
        for chosen in _chunks(active, counts, CHUNK):
            self.budget.check_time()
            sizes = counts[chosen]
            starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
            index = np.repeat(lo[chosen] - starts, sizes) + np.arange(int(sizes.sum()))
            result[chosen] = work(
                Elements(self.values[index], self.times_ms[index], starts, sizes, ends[chosen])
            )
        return result.reshape(self.lo.shape)


@dataclass(frozen=True, slots=True)
class Elements:
    """Windows one after the other: the elements of window i are at
    [starts[i], starts[i] + sizes[i]). No window is empty."""

    values: Floats
    times_ms: Integers
    starts: Integers
    sizes: Integers
    steps_ms: Integers

    def total(self, of: Floats) -> Floats:
        """The sum of something over each window."""
        return np.add.reduceat(of, self.starts)

    def spread(self, of: Floats | Integers) -> Floats:
        """Something of each window for each of its elements."""
        return np.repeat(of, self.sizes)


def _chunks(active: Integers, counts: Integers, most: int) -> Iterator[Integers]:
    sizes = np.cumsum(counts[active])
    begin = 0
    while begin < active.size:
        before = sizes[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(sizes, before + most, "right")))
        yield active[begin:end]
        begin = end


def windows_of(
    series: Sequence[Series], ends_ms: Integers, steps_ms: Integers, range_ms: int
) -> Windows:
    """The windows that end at `ends_ms`. Staleness markers are no samples of a range."""
    held, flat = _without_stale(series)
    labels = tuple(one.labels for one in held)
    histograms = joined_histograms([(one.histograms, one.values.shape) for one in held])
    if held and held[0].times_ms.size and all(one.times_ms is held[0].times_ms for one in held):
        times_ms = held[0].times_ms
        before = np.arange(len(held))[:, None] * times_ms.size
        return Windows(
            labels,
            np.tile(times_ms, len(held)),
            flat,
            np.searchsorted(times_ms, ends_ms - range_ms, "right") + before,
            np.searchsorted(times_ms, ends_ms, "right") + before,
            ends_ms,
            steps_ms,
            range_ms,
            histograms=histograms,
            is_aligned=True,
        )
    lo = np.empty((len(held), ends_ms.size), np.int64)
    hi = np.empty_like(lo)
    offset = 0
    starts_ms = ends_ms - range_ms
    found = Bounds(np.empty(0, np.int64), lo[:0], hi[:0])
    changes = 0
    for row, one in enumerate(held):
        # Most often all series of a metric have their samples at the same times.
        if not found.hold(one.times_ms):
            changes += 1
            found = Bounds(
                one.times_ms,
                np.searchsorted(one.times_ms, starts_ms, "right"),
                np.searchsorted(one.times_ms, ends_ms, "right"),
            )
        np.add(found.lo, offset, out=lo[row])
        np.add(found.hi, offset, out=hi[row])
        offset += one.times_ms.size
    flat_times = np.concatenate([one.times_ms for one in held]) if held else np.empty(0, np.int64)
    return Windows(
        labels,
        flat_times,
        flat,
        lo,
        hi,
        ends_ms,
        steps_ms,
        range_ms,
        histograms=histograms,
        is_aligned=changes == 1,
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where windows begin and end in samples at `times_ms`."""

    times_ms: Integers
    lo: Integers
    hi: Integers

    def hold(self, times_ms: Integers) -> bool:
        """Whether they are those of other samples too."""
        return _are_same(self.times_ms, times_ms)


@dataclass(frozen=True, slots=True)
class Latest:
    """Which of the samples at `times_ms` is the latest at each step, and whether it is recent
    enough to count."""

    times_ms: Integers
    places: Integers
    is_fresh: Booleans

    @staticmethod
    def of(times_ms: Integers, ends_ms: Integers, lookback_ms: int) -> Latest:
        """Found by bisection; there is at least one sample."""
        found = np.searchsorted(times_ms, ends_ms, "right") - 1
        places = np.maximum(found, 0)
        is_fresh = (found >= 0) & (times_ms[places] > ends_ms - lookback_ms)
        return Latest(times_ms, places, is_fresh)

    def holds(self, times_ms: Integers) -> bool:
        """Whether it is the same for other samples."""
        return _are_same(self.times_ms, times_ms)


def _are_same(one: Integers, other: Integers) -> bool:
    if one is other:
        return one.size > 0
    # The first look keeps series that begin at times of their own cheap.
    return one.size == other.size > 0 and one[0] == other[0] and np.array_equal(one, other)


def _without_stale(series: Sequence[Series]) -> tuple[Sequence[Series], Floats]:
    """The series without markers, and all of their values."""
    flat = np.concatenate([one.values for one in series]) if series else np.empty(0)
    if not is_stale(flat).any():
        return series, flat
    kept = []
    for one in series:
        kept.append(one.part(~is_stale(one.values)))
    return kept, np.concatenate([one.values for one in kept])
