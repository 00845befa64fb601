"""Which questions are worked on at once, and how long the others wait for their turn.

Queries and lists of names have places of their own, so that completion goes on while dashboards
are slow. What costs nothing needs no place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

_T = TypeVar("_T")


class NoTurn(Exception):
    """Nobody ended in time; the message says for whoever asked what to do."""


class Turns:
    """Places of one kind of question, in whatever event loop the application runs."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
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
        """What `work` gives in a thread. Raises `NoTurn` after waiting that long for a place."""
        places, threads = self._limiters()
        borrower = object()
        with anyio.move_on_after(wait_seconds) as waiting:
            await places.acquire_on_behalf_of(borrower)
        if waiting.cancelled_caught:
            raise NoTurn(
                f"query timed out in expression evaluation queue: {self._at_once} questions are"
                f" worked on at once, and none of them ended within {wait_seconds:g} s. Ask again,"
                " or stop some of the others"
            )
        try:
            return await anyio.to_thread.run_sync(work, limiter=threads)
        finally:
            places.release_on_behalf_of(borrower)
