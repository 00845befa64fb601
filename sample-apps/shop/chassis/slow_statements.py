"""Statements made slow on purpose: what a fault does to a database that is healthy in itself."""

from __future__ import annotations

import time
from collections.abc import Callable


class SlowStatements:
    """The delays in force on one database."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._delays: tuple[StatementDelay, ...] = ()

    def add(self, prefix: str, seconds: float | Callable[[], float]) -> StatementDelay:
        """Delay statements whose name begins with `prefix`; delays of several add up."""
        delay = StatementDelay(self, prefix, seconds)
        self._delays += (delay,)
        return delay

    def remove(self, delay: StatementDelay) -> None:
        self._delays = tuple(other for other in self._delays if other is not delay)

    def wait(self, name: str) -> None:
        """Sleep as long as the statement of this name has to take longer."""
        seconds = sum(delay.seconds_of(name) for delay in self._delays)
        if seconds > 0:
            self._sleep(seconds)


class StatementDelay:
    """One delay, until it is released."""

    def __init__(
        self, statements: SlowStatements, prefix: str, seconds: float | Callable[[], float]
    ) -> None:
        self._statements = statements
        self._prefix = prefix
        self._seconds = seconds

    def seconds_of(self, name: str) -> float:
        """How long this delay holds up the statement of this name, in seconds."""
        if not name.startswith(self._prefix):
            return 0.0
        return self._seconds() if callable(self._seconds) else self._seconds

    def release(self) -> None:
        self._statements.remove(self)

    def __enter__(self) -> StatementDelay:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()
