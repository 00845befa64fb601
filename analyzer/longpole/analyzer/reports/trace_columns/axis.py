"""The axis of a drawn trace: which stretch of time is shown, and in ticks of what length.

lo        root          hi         ticks are a power of two of nanoseconds, the smallest
|---|==============|-----|         with which the whole stretch fits into 32 bits
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Ticks: TypeAlias = npt.NDArray[np.uint32]

_S = 10**9
# What lies further from the root than this, or than a hundred times its duration, would press
# everything else into one pixel: a job that starts a day later, a clock that says 1970.
FARTHEST_NS, FARTHEST_LENGTHS = 600 * _S, 100
LONGEST_NS = 1 << 62
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
MOST_TICKS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Axis:
    """From `begin` (Unix nanoseconds) on, `length_ns` long; one tick is `tick_ns`."""

    begin: int
    length_ns: int
    tick_ns: int

    @classmethod
    def of(cls, starts: Sequence[int], ends: Sequence[int], root: tuple[int, int]) -> Axis:
        """From the first start to the last end, as far as both are near the interval `root`."""
        if not starts:
            return cls(0, 0, 1)
        reach = max(FARTHEST_NS, FARTHEST_LENGTHS * (root[1] - root[0]))
        begin = max(min(starts), root[0] - reach)
        end = max(begin, min(max(ends), root[1] + reach))
        length = min(end - begin, LONGEST_NS)
        tick = 1
        while length // tick > MOST_TICKS:
            tick *= 2
        return cls(begin, length, tick)

    def offsets(self, times: Sequence[int] | Ints) -> Ints:
        """Unix nanoseconds as nanoseconds from `begin`, those outside at the nearer end."""
        end = self.begin + self.length_ns
        if self.begin < _LEAST // 2 or end > _MOST:  # differences would leave 64 bits
            own = [int(time) for time in times]
            return np.array([min(max(t, self.begin), end) - self.begin for t in own], np.int64)
        try:
            exact = np.array(times, np.int64)
        except OverflowError:
            exact = np.array([min(max(t, _LEAST), _MOST) for t in times], np.int64)
        return np.clip(exact, self.begin, end) - self.begin

    def ticks(self, offsets: Ints) -> Ticks:
        """Nanoseconds from `begin`, or durations, as whole ticks."""
        return np.minimum(offsets // self.tick_ns, MOST_TICKS).astype(np.uint32)
