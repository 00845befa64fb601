"""What all parts of one query may cost together: values made, samples looked at, and time.

A limit for each part alone is not enough: nested subqueries multiply. Work is paid before it is
done, so a query that cannot be afforded ends before it takes long.
"""

from __future__ import annotations

from collections.abc import Callable

from longpole.analyzer.promql.refusals import TimedOut, TooMuch

# What one native histogram takes beside its buckets, and all of a query together, in numbers of
# 8 bytes.
HISTOGRAM_COST = 100
MOST_IN_HISTOGRAMS = 100_000_000


class Budget:
    """Counts down the work of one query, in values made and samples looked at by windows."""

    def __init__(self, work: int, seconds: float, elapsed_seconds: Callable[[], float]) -> None:
        self._most = work
        self._left = work
        self._histograms_left = MOST_IN_HISTOGRAMS
        self._seconds = seconds
        self._elapsed_seconds = elapsed_seconds

    def spend(self, work: int) -> None:
        """Pay for work that comes now. Raises `TooMuch`, or `TimedOut`."""
        self.check_time()
        self._left -= work
        if self._left < 0:
            raise TooMuch(
                "query processing would load too many samples into memory in query execution:"
                f" its parts would look at more than {self._most:,} values together. Ask for a"
                " shorter range or a larger step; nested subqueries multiply"
            )

    def make_histogram(self, size: int) -> None:
        """Pay for a native histogram of that many numbers, which an answer will hold. Raises
        `TooMuch`, or `TimedOut`."""
        self.spend(size)
        self._histograms_left -= HISTOGRAM_COST + size
        if self._histograms_left < 0:
            raise TooMuch(
                "query processing would make too many native histograms: together they may hold"
                f" {MOST_IN_HISTOGRAMS:,} numbers. Ask for fewer series or a larger step"
            )

    def check_time(self) -> None:
        """Raises `TimedOut` when the time of the query is over."""
        if self._elapsed_seconds() > self._seconds:
            raise TimedOut(f"query timed out: it ran longer than {self._seconds:g} s")


def unbounded() -> Budget:
    """A budget that is never spent."""
    return Budget(1 << 62, float("inf"), lambda: 0.0)
