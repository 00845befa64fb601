"""The steps of a metrics query: which of them the start of a span falls into.

As in Tempo, a step ends with the time that its sample carries and leaves its beginning out, and a
range is widened to whole steps, so that a dashboard that refreshes shows the same points again.

      first             last         an instant:   [start .......... end]
    -]---+---]---+---]---+---]                                         sample
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from longpole.analyzer.traceql.columns import Ints
from longpole.analyzer.traceql.refusals import TooMuch
from longpole.model.timerange import TimeRange

MOST_STEPS = 11_000
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Steps:
    """`count` samples `step_ns` apart, the first one at `first_ns`; of an instant one, whose spans
    start in a stretch of `step_ns` that includes both its ends."""

    first_ns: int
    step_ns: int
    count: int
    is_instant: bool = False

    @property
    def times_ms(self) -> list[int]:
        """When each sample is, in Unix milliseconds."""
        return [(self.first_ns + n * self.step_ns) // 10**6 for n in range(self.count)]

    @property
    def seconds(self) -> float:
        """How long a step is."""
        return self.step_ns / _SECOND

    @property
    def time(self) -> TimeRange:
        """When the spans of all steps start."""
        begin = self.first_ns - self.step_ns + (0 if self.is_instant else 1)
        return TimeRange(begin, self.first_ns + (self.count - 1) * self.step_ns + 1)

    def places(self, start_ns: Ints) -> Ints:
        """The step of each time, -1 for times in none."""
        found = -((self.first_ns - start_ns) // self.step_ns)
        if self.is_instant:
            inside = (start_ns >= self.first_ns - self.step_ns) & (start_ns <= self.first_ns)
            return np.where(inside, 0, -1)
        return np.where((found >= 0) & (found < self.count), found, -1)


def range_steps(start_ns: int, end_ns: int, step_ns: int) -> Steps:
    """The steps of a range. Raises `TooMuch`."""
    first = start_ns - start_ns % step_ns
    last = end_ns + -end_ns % step_ns
    count = (last - first) // step_ns + 1
    if count > MOST_STEPS:
        raise TooMuch(
            f"the range has {count:,} steps, more than {MOST_STEPS:,}: ask for a longer step"
        )
    return Steps(first, step_ns, count)


def instant_steps(start_ns: int, end_ns: int) -> Steps:
    """One sample over a whole range."""
    return Steps(end_ns, max(1, end_ns - start_ns), 1, True)


def default_step_ns(start_ns: int, end_ns: int) -> int:
    """The step of a range that asks for none: about 240 of them, in whole 5 s where it is long."""
    rough = (end_ns - start_ns) // 240
    unit = 5 * _SECOND if rough >= 5 * _SECOND else _SECOND
    return max(_SECOND, rough // unit * unit)
