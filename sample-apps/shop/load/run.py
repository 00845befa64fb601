"""One load run: the settings, the loop that makes journeys of arrivals, and the summary."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import random
import signal
import time
from dataclasses import dataclass
from typing import Any

import httpx

from shop.load.arrivals import poisson_arrivals
from shop.load.customers import customers
from shop.load.hammer import hammer
from shop.load.journeys import Visit, choose
from shop.load.open_loop import MOST_IN_FLIGHT, run_open_loop, wait_or_stop
from shop.load.outcomes import Outcomes
from shop.load.shopper import GaveUp, Shopper, Tokens

log = logging.getLogger("shop.load")


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """`gateway_url` is the front door; `rate` journeys a second; `duration_seconds` 0 is for
    ever; without a `registry_url` nobody hammers."""

    gateway_url: str
    rate: float = 8.0
    duration_seconds: float = 0.0
    seed: int = 1
    registry_url: str = ""
    most_in_flight: int = MOST_IN_FLIGHT


async def run(
    settings: LoadSettings,
    stop: asyncio.Event,
    transport: httpx.AsyncBaseTransport | None = None,
) -> dict[str, Any]:
    """Send journeys until the time is over or `stop` is set. The summary of `Outcomes`, with
    `seconds` and the settings. `transport` stands in for the network."""
    chance = random.Random(settings.seed)
    who = customers(random.Random(chance.getrandbits(64)))
    arrivals = poisson_arrivals(settings.rate, random.Random(chance.getrandbits(64)))
    if settings.duration_seconds:
        arrivals = itertools.takewhile(lambda at: at < settings.duration_seconds, arrivals)
    outcomes, tokens = Outcomes(), Tokens()
    started = time.monotonic()
    limits = httpx.Limits(max_connections=settings.most_in_flight, max_keepalive_connections=64)
    # trust_env=False: a proxy for the internet has no business with these addresses.
    async with httpx.AsyncClient(
        base_url=settings.gateway_url, limits=limits, trust_env=False, transport=transport
    ) as client:

        async def begin() -> None:
            # A source of chance for each journey: what one does is not changed by another.
            mine = random.Random(chance.getrandbits(64))
            await _journey(Visit(Shopper(client, next(who), tokens, outcomes), mine), outcomes)

        ended = asyncio.Event()
        hammering = asyncio.ensure_future(
            hammer(client, settings.registry_url, outcomes, ended,
                   clock=time.monotonic, wait=wait_or_stop)
            if settings.registry_url else asyncio.sleep(0)
        )  # fmt: skip
        try:
            await run_open_loop(
                arrivals, begin, outcomes, stop,
                clock=time.monotonic, wait=wait_or_stop, most_in_flight=settings.most_in_flight,
            )  # fmt: skip
        finally:
            ended.set()
            await hammering
    seconds = round(time.monotonic() - started, 3)
    return {"seconds": seconds, "rate": settings.rate, "seed": settings.seed, **outcomes.document()}


async def _journey(visit: Visit, outcomes: Outcomes) -> None:
    name, steps = choose(visit.chance)
    started = time.perf_counter()
    outcome = "interrupted"
    try:
        outcome = await steps(visit)
    except GaveUp as reason:
        outcome = str(reason)
    except (KeyError, TypeError, ValueError) as error:
        outcome = "odd answer"
        log.warning("journey %s got an answer it cannot read: %r", name, error)
    finally:
        outcomes.journey(name, outcome, time.perf_counter() - started)


async def run_until_signal(settings: LoadSettings) -> dict[str, Any]:
    """`run` that SIGTERM and SIGINT end, with the summary."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await run(settings, stop)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `load`."""
    parser.add_argument("--gateway", required=True, metavar="URL", help="the front door")
    parser.add_argument(
        "--registry",
        default="",
        metavar="URL",
        help="asked whether one user has to hammer (fault gateway-rate-limit)",
    )
    parser.add_argument("--rate", type=float, default=8.0, help="journeys a second")
    parser.add_argument(
        "--duration",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="stop after so long; 0 is never",
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same customers")


def settings_of(given: argparse.Namespace) -> LoadSettings:
    """The settings that these flags say."""
    return LoadSettings(
        gateway_url=given.gateway,
        rate=given.rate,
        duration_seconds=given.duration,
        seed=given.seed,
        registry_url=given.registry,
    )
