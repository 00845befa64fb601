"""Fair turns: who may have bytes decoded next, when more is sent than can be decoded.

Bytes are handed out like a budget. While there is room nobody is asked for a name. Once there is
none, requests wait in a queue for each sender, and the queues are served in turn by bytes
(deficit round robin, Shreedhar and Varghese, 1995): a service that sends too much waits for
itself, and one that sends little goes next. So it is the greedy one whose requests are refused for
waiting too long.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from longpole.collector.refusals import BUSY, Refused

# What a sender may have more of at each round; large requests save up for several.
_QUANTUM = 1 << 20


@dataclass(slots=True)
class _Queue:
    """The requests of one sender, oldest first, and the bytes that it has saved up."""

    waiting: deque[tuple[int, asyncio.Future[None]]] = field(default_factory=deque)
    saved: int = 0


class FairTurns:
    """So many bytes at work and no more. Lives on one event loop."""

    def __init__(self, capacity: int, wait_seconds: float) -> None:
        self._capacity = capacity
        self._wait_seconds = wait_seconds
        # In the order of turns; a queue without requests is not kept.
        self._queues: OrderedDict[str, _Queue] = OrderedDict()
        self.used = 0

    @asynccontextmanager
    async def turn(self, amount: int, sender: Callable[[], str]) -> AsyncIterator[None]:
        """Wait for the turn of `amount` bytes, hold them, give them back. More than there is
        at all passes alone. `sender` is asked only when there is a queue. Raises `Refused`
        BUSY after too long a wait."""
        amount = min(amount, self._capacity)
        if self._queues or self.used + amount > self._capacity:
            await self._wait(amount, sender())
        else:
            self.used += amount
        try:
            yield
        finally:
            self.used -= amount
            self._wake()

    async def _wait(self, amount: int, sender: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (amount, turn)
        self._queues.setdefault(sender, _Queue()).waiting.append(entry)
        try:
            await asyncio.wait_for(asyncio.shield(turn), self._wait_seconds)
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.used -= amount  # the turn came in the same moment
            else:
                queue = self._queues[sender]
                queue.waiting.remove(entry)
                if not queue.waiting:
                    del self._queues[sender]
                turn.cancel()
            self._wake()
            if isinstance(error, asyncio.TimeoutError):
                raise Refused(BUSY) from None
            raise

    def _wake(self) -> None:
        """Give out what there is. Whoever is next and does not fit holds up the others, so that
        large requests get their turn, too."""
        while self._queues:
            sender, queue = next(iter(self._queues.items()))
            amount, turn = queue.waiting[0]
            if queue.saved < amount:
                queue.saved += _QUANTUM
                self._queues.move_to_end(sender)
                continue
            if self.used + amount > self._capacity:
                return
            queue.waiting.popleft()
            queue.saved -= amount
            if not queue.waiting:
                del self._queues[sender]
            self.used += amount
            turn.set_result(None)
