"""Range vectors: which samples each step of each series looks at, as ranges of one flat array.

    samples of series 0 | samples of series 1 | …        flat, in time order within a series
         [lo--hi)  step 3
           [lo---hi)  step 4                              windows overlap and share the samples

Reductions run over all windows at once with NumPy's `reduceat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from longpole.analyzer.promql.series import Floats, Integers, Labels, Series, is_stale
from longpole.analyzer.promql.vectors import Vector

# Elements of windows written out at once, for functions that need them one by one.
CHUNK = 1 << 21


@dataclass(frozen=True, slots=True)
class Windows:
    """`lo` and `hi` are N x S indices into `values` and `times_ms`; a window looks at
    (`ends_ms` - `range_ms`, `ends_ms`]. `steps_ms` are the times of the steps themselves."""

    labels: tuple[Labels, ...]
    times_ms: Integers
    values: Floats
    lo: Integers
    hi: Integers
    ends_ms: Integers
    steps_ms: Integers
    range_ms: int

    @property
    def counts(self) -> Integers:
        """Samples in each window."""
        return self.hi - self.lo

    def vector(self, values: Floats, least: int = 1) -> Vector:
        """A value for each window, absent where it holds fewer than `least` samples."""
        return Vector(self.labels, values, self.counts >= least)

    def reduced(self, ufunc: np.ufunc, values: Floats | None = None) -> Floats:
        """`ufunc` over each window; NaN for those without samples."""
        held = self.values if values is None else values
        lo, hi = self.lo.ravel(), self.hi.ravel()
        active = np.flatnonzero(hi > lo)
        result = np.full(lo.size, np.nan)
        if active.size:
            # reduceat refuses an index at the very end, so one more element stands there.
            bounds = np.column_stack((lo[active], hi[active])).ravel()
            result[active] = ufunc.reduceat(np.append(held, 0.0), bounds)[::2]
        return result.reshape(self.lo.shape)

    def at(self, places: Integers, of: Floats) -> Floats:
        """One element of each window; of windows without samples whatever."""
        if not of.size:
            return np.full(places.shape, np.nan)
        return of[np.clip(places, 0, of.size - 1)]

    def by_element(self, work: Callable[[Elements], Floats], least: int = 1) -> Floats:
        """`work` on windows written out element by element, in chunks of bounded size; NaN for
        those with fewer than `least` samples."""
        lo, counts = self.lo.ravel(), self.counts.ravel()
        result = np.full(lo.size, np.nan)
        active = np.flatnonzero(counts >= least)
        ends = np.broadcast_to(self.steps_ms, self.lo.shape).ravel()
        for chosen in _chunks(active, counts):
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


def _chunks(active: Integers, counts: Integers) -> Iterator[Integers]:
    sizes = np.cumsum(counts[active])
    begin = 0
    while begin < active.size:
        before = sizes[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(sizes, before + CHUNK, "right")))
        yield active[begin:end]
        begin = end


def windows_of(
    series: Sequence[Series], ends_ms: Integers, steps_ms: Integers, range_ms: int
) -> Windows:
    """The windows that end at `ends_ms`. Staleness markers are no samples of a range."""
    lo = np.empty((len(series), ends_ms.size), np.int64)
    hi = np.empty_like(lo)
    times: list[Integers] = []
    values: list[Floats] = []
    offset = 0
    starts_ms = ends_ms - range_ms
    for row, one in enumerate(series):
        kept_times, kept = one.times_ms, one.values
        stale = is_stale(kept)
        if stale.any():
            kept_times, kept = kept_times[~stale], kept[~stale]
        lo[row] = offset + np.searchsorted(kept_times, starts_ms, "right")
        hi[row] = offset + np.searchsorted(kept_times, ends_ms, "right")
        times.append(kept_times)
        values.append(kept)
        offset += kept.size
    labels = tuple(one.labels for one in series)
    flat_times = np.concatenate(times) if times else np.empty(0, np.int64)
    flat = np.concatenate(values) if values else np.empty(0)
    return Windows(labels, flat_times, flat, lo, hi, ends_ms, steps_ms, range_ms)
