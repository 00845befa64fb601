"""Bounded bytes: a request takes room for its body before it takes memory."""

from __future__ import annotations

import asyncio
from collections import deque

from longpole.collector.refusals import BUSY, Refused


class ByteBudget:
    """So many bytes and no more, handed out in order of asking. Lives on one event loop."""

    def __init__(self, capacity: int, wait_seconds: float) -> None:
        self._capacity = capacity
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used = 0

    def lease(self) -> Lease:
        """An empty lease; nothing is taken until it grows."""
        return Lease(self)

    async def take(self, amount: int) -> int:
        """Wait for room and take it; returns what was taken (never more than there is at
        all, so that one oversized request can still pass alone). Raises `Refused` BUSY."""
        amount = min(amount, self._capacity)
        if not self._waiting and self.used + amount <= self._capacity:
            self.used += amount
            return amount
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (amount, turn)
        self._waiting.append(entry)
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._wait_seconds)
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(amount)  # the room came in the same moment
            else:
                self._waiting.remove(entry)
                turn.cancel()
                self._wake()  # a smaller one behind may fit now
            if isinstance(error, asyncio.TimeoutError):
                raise Refused(BUSY) from None
            raise
        return amount

    def give_back(self, amount: int) -> None:
        """Return room and let the next ones in."""
        self.used -= amount
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            amount, turn = self._waiting[0]
            if self.used + amount > self._capacity:
                return
            self._waiting.popleft()
            if not turn.done():
                self.used += amount
                turn.set_result(None)


class Lease:
    """What one request holds of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._held = 0

    async def grow(self, amount: int) -> None:
        """Take more. Raises `Refused` BUSY when there was no room in time."""
        if amount > 0:
            self._held += await self._budget.take(amount)

    def shrink(self, amount: int) -> None:
        """Give some back early."""
        amount = min(amount, self._held)
        self._held -= amount
        self._budget.give_back(amount)

    def release(self) -> None:
        """Give everything back; a second call has no effect."""
        self.shrink(self._held)
