"""A clock that tests move."""

from __future__ import annotations


class Clock:
    """Seconds; `wall` in nanoseconds runs along, from a date in the past."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def wall(self) -> int:
        return 1_700_000_000_000_000_000 + round(self.seconds * 1e9)
