"""How much of an interval others leave free."""

from __future__ import annotations

from collections.abc import Iterable


def alone_ns(others: Iterable[tuple[int, int]], start: int, end: int) -> int:
    """How long none of `others` (start and end) ran between `start` and `end`."""
    covered, reached = 0, start
    for first, last in sorted(others):
        low, high = max(first, reached), min(last, end)
        if high > low:
            covered += high - low
            reached = high
    return max(0, end - start - covered)
