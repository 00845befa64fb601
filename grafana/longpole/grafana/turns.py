"""Which questions are worked on at once, how many others wait, and how long.

A dialect has places of its own, so that one dashboard with many slow panels does not take every
thread that the server has; in the Prometheus dialect queries and lists of names have their own
again, so that completion goes on while dashboards are slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

# A dashboard asks some dozens of questions at once; more than this is no dashboard any more.
MOST_WAITING = 64
_T = TypeVar("_T")


class NoTurn(Exception):
    """Nobody ended in time, or too many wait; the message says for whoever asked what to do."""

    def __init__(self, message: str, is_crowded: bool) -> None:
        super().__init__(message)
        # Too many waited already: this one was turned away at once.
        self.is_crowded = is_crowded


class Turns:
    """Places of one kind of question, in whatever event loop the application runs."""

    def __init__(self, at_once: int, most_waiting: int = MOST_WAITING) -> None:
        self._at_once, self._most_waiting = at_once, most_waiting
        self._made: tuple[anyio.CapacityLimiter, anyio.CapacityLimiter] | None = None

    def _limiters(self) -> tuple[anyio.CapacityLimiter, anyio.CapacityLimiter]:
        # They belong to a running loop, and there is none while the application is made.
        if self._made is None:
            places = anyio.CapacityLimiter(self._at_once)
            self._made = (places, anyio.CapacityLimiter(self._at_once))
        return self._made

    @property
    def are_all_taken(self) -> bool:
        """Whether the next one has to wait."""
        return self._limiters()[0].available_tokens < 1

    async def run(self, work: Callable[[], _T], wait_seconds: float) -> _T:
        """What `work` gives in a thread. Raises `NoTurn` after waiting that long for a place, and
        at once when enough others wait."""
        places, threads = self._limiters()
        if places.statistics().tasks_waiting >= self._most_waiting:
            raise NoTurn(
                f"too many outstanding requests: {self._at_once} questions are worked on at once,"
                f" and {self._most_waiting} wait already. Ask again in a moment",
                is_crowded=True,
            )
        borrower = object()
        with anyio.move_on_after(wait_seconds) as waiting:
            await places.acquire_on_behalf_of(borrower)
        if waiting.cancelled_caught and wait_seconds <= 0:
            raise NoTurn(
                "query timed out: its timeout leaves no time. Give a longer one, or none",
                is_crowded=False,
            )
        if waiting.cancelled_caught:
            raise NoTurn(
                f"query timed out in expression evaluation queue: {self._at_once} questions are"
                f" worked on at once, and none of them ended within {wait_seconds:g} s. Ask again,"
                " or stop some of the others",
                is_crowded=False,
            )
        try:
            return await anyio.to_thread.run_sync(work, limiter=threads)
        finally:
            places.release_on_behalf_of(borrower)
