"""Deltas as counters that only grow.

A delta says how much was added since the one before; Prometheus wants the sum. It is taken from
the stored points when they are read, so that a restart changes nothing, and begins anew with each
day (UTC), so that no more than a day is read before what was asked for and the answer does not
depend on how much older data is still kept. Where it begins there is a sample of 0, so that the
drop is seen and `increase` counts what came first:

    deltas       2   1 | 4   1          | midnight
    samples  0   2   3 0   4   5        increase over all of it: 3 + 5

What may fall (a sum that is not monotonic) is added up from the first stored point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longpole.analyzer.promql.series import Booleans, Floats, Integers

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Track:
    """What one stored series says over time: `values` has a row for each of `times_ms`, which
    rise strictly, and a column for each series that comes of it. `is_stale` rows end a series."""

    times_ms: Integers
    values: Floats
    is_stale: Booleans

    def between(self, after_ms: int, through_ms: int) -> Track:
        """The rows of (after_ms, through_ms]."""
        held = slice(*np.searchsorted(self.times_ms, [after_ms, through_ms], "right"))
        return Track(self.times_ms[held], self.values[held], self.is_stale[held])


def day_start_ms(at_ms: int) -> int:
    """The midnight before (UTC)."""
    return at_ms - at_ms % DAY_MS


def accumulated(track: Track, starts_ms: Integers, is_reset_daily: bool) -> Track:
    """Running sums of deltas; `starts_ms` says when each one began to be counted (0: unknown)."""
    times = track.times_ms
    deltas = np.where(track.is_stale[:, None], 0.0, track.values)
    if not len(times) or not is_reset_daily:
        return _without_repeats(Track(times, np.cumsum(deltas, axis=0), track.is_stale))
    days = (times - 1) // DAY_MS  # what was counted until midnight belongs to the day before
    begins = np.flatnonzero(np.append(True, days[1:] != days[:-1]))
    ends = np.append(begins[1:], len(times))
    sums = np.empty_like(deltas)
    for begin, end in zip(begins, ends, strict=True):
        np.cumsum(deltas[begin:end], axis=0, out=sums[begin:end])
    first, started = times[begins], starts_ms[begins]
    zeros = np.where(started > 0, np.maximum(started, days[begins] * DAY_MS), first - 1)
    before = np.append(np.int64(-(1 << 62)), times[begins[1:] - 1])
    zeros = np.maximum(zeros, before + 1)
    kept = zeros < first
    places, zeros = begins[kept], zeros[kept]
    return _without_repeats(
        Track(
            np.insert(times, places, zeros),
            np.insert(sums, places, 0.0, axis=0),
            np.insert(track.is_stale, places, False),
        )
    )


def _without_repeats(track: Track) -> Track:
    """Of several sums at one time the last one, which holds them all."""
    times = track.times_ms
    is_last: NDArray[np.bool_] = np.append(times[1:] != times[:-1], True)[: len(times)]
    if bool(is_last.all()):
        return track
    return Track(times[is_last], track.values[is_last], track.is_stale[is_last])
