"""The open loop: journeys begin when customers arrive, not when the shop is done with others.

A closed loop (so many workers, each waiting for its answer) slows down with a slow shop and
hides what real customers would feel. Here an overloaded shop gets the same arrivals; only the
number under way is bounded, and whoever finds it full goes away and is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from shop.load.outcomes import Outcomes

MOST_IN_FLIGHT = 256


async def run_open_loop(
    arrivals: Iterable[float],
    begin: Callable[[], Awaitable[None]],
    outcomes: Outcomes,
    stop: asyncio.Event,
    *,
    clock: Callable[[], float],
    wait: Callable[[asyncio.Event, float], Awaitable[bool]],
    most_in_flight: int = MOST_IN_FLIGHT,
) -> None:
    """Call `begin` at each of the `arrivals` (seconds after the start) until they end or `stop`
    is set; then let those under way finish when the arrivals ended, cancel them when stopped.

    `begin` must not raise. `wait(stop, seconds)` comes back early, with True, when stopped.
    """
    started = clock()
    under_way: set[asyncio.Task[None]] = set()
    try:
        for at in arrivals:
            # Late arrivals (the loop was busy) begin at once: the schedule does not slip.
            if await wait(stop, max(0.0, started + at - clock())):
                break
            outcomes.arrived += 1
            if len(under_way) >= most_in_flight:
                outcomes.dropped += 1
                continue
            task = asyncio.ensure_future(begin())
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            outcomes.most_in_flight = max(outcomes.most_in_flight, len(under_way))
        stopped = asyncio.ensure_future(stop.wait())
        while under_way and not stopped.done():
            await asyncio.wait({stopped, *under_way}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def wait_or_stop(stop: asyncio.Event, seconds: float) -> bool:
    """Whether `stop` was set within so many seconds."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
