"""Clocks as arguments: the real one, and one that a test moves by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a component gets its time from."""

    def now_unix_nano(self) -> int:
        """Wall time as Unix nanoseconds. It may jump when an operator sets the clock."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that only ever grow; the zero point means nothing."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_unix_nano(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands still until it is advanced; both readings move together."""

    def __init__(self, now_unix_nano: int = 1_700_000_000_000_000_000) -> None:
        self._now = now_unix_nano
        self._start = now_unix_nano

    def now_unix_nano(self) -> int:
        return self._now

    def monotonic_ns(self) -> int:
        return self._now - self._start

    def advance(self, seconds: float) -> None:
        """Move both readings forward by `seconds`."""
        self._now += round(seconds * 1_000_000_000)
