from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable

import pytest

from shop.load.arrivals import poisson_arrivals
from shop.load.open_loop import run_open_loop, wait_or_stop
from shop.load.outcomes import Outcomes


class Clock:
    """Time passes only when somebody waits for it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, stop: asyncio.Event, seconds: float) -> bool:
        await self._let_others_run()
        self.now += seconds
        await self._let_others_run()
        return stop.is_set()

    async def _let_others_run(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def drive(
    arrivals: list[float],
    begin: Callable[[Clock], Awaitable[None]],
    most_in_flight: int = 10,
    stop: asyncio.Event | None = None,
) -> Outcomes:
    outcomes = Outcomes()

    async def main() -> None:
        clock = Clock()
        await run_open_loop(
            arrivals, lambda: begin(clock), outcomes, stop or asyncio.Event(),
            clock=clock, wait=clock.wait, most_in_flight=most_in_flight,
        )  # fmt: skip

    asyncio.run(main())
    return outcomes


def test_journeys_begin_when_customers_arrive_however_long_they_take() -> None:
    began: list[float] = []

    async def begin(clock: Clock) -> None:
        began.append(round(clock.now - 100, 6))
        while len(began) < 3:  # nobody is done before everybody has come
            await asyncio.sleep(0)

    outcomes = drive([0.5, 1.25, 2.0], begin)
    assert began == [0.5, 1.25, 2.0]
    assert (outcomes.arrived, outcomes.dropped, outcomes.most_in_flight) == (3, 0, 3)


def test_customers_who_find_the_shop_full_go_away_and_are_counted() -> None:
    door: list[int] = []

    async def begin(clock: Clock) -> None:
        door.append(1)
        while clock.now < 100 + 4.5:
            await asyncio.sleep(0)

    outcomes = drive([1.0, 2.0, 3.0, 4.0, 5.0], begin, most_in_flight=2)
    assert (outcomes.arrived, outcomes.dropped, len(door)) == (5, 2, 3)
    assert outcomes.most_in_flight == 2


def test_journeys_under_way_finish_when_the_arrivals_end() -> None:
    finished: list[bool] = []

    async def begin(clock: Clock) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        finished.append(True)

    drive([0.1, 0.2], begin)
    assert finished == [True, True]


def test_a_stop_ends_the_arrivals_and_what_is_under_way() -> None:
    cancelled: list[bool] = []

    async def main() -> Outcomes:
        stop, outcomes, clock = asyncio.Event(), Outcomes(), Clock()

        async def begin() -> None:
            if outcomes.arrived == 3:
                stop.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        await run_open_loop(
            itertools.count(1), begin, outcomes, stop, clock=clock, wait=clock.wait
        )  # fmt: skip
        return outcomes

    assert asyncio.run(asyncio.wait_for(main(), 10)).arrived == 3
    assert cancelled == [True, True, True]


def test_waiting_ends_early_when_stopped() -> None:
    async def main() -> tuple[bool, bool]:
        stop = asyncio.Event()
        first = await wait_or_stop(stop, 0.001)
        stop.set()
        return first, await asyncio.wait_for(wait_or_stop(stop, 3600), 5)

    assert asyncio.run(main()) == (False, True)


def test_arrivals_are_a_poisson_process_of_the_rate() -> None:
    times = list(itertools.takewhile(lambda t: t < 1000, poisson_arrivals(8, random.Random(3))))
    assert len(times) == pytest.approx(8000, rel=0.04)
    assert times == sorted(times)
    # In a Poisson process the variance of the count of each second is its mean.
    counts = [0] * 1000
    for at in times:
        counts[int(at)] += 1
    mean = sum(counts) / 1000
    assert sum((count - mean) ** 2 for count in counts) / 1000 == pytest.approx(mean, rel=0.12)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    first, second, other = (
        list(itertools.islice(poisson_arrivals(5, random.Random(seed)), 50)) for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        next(poisson_arrivals(0, random.Random(1)))
