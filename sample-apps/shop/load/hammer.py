"""The hammer: one user who asks for the products again and again, while a fault says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import httpx

from shop.load.customers import HAMMERING_USER
from shop.load.outcomes import Outcomes
from shop.load.shopper import GaveUp, Shopper, Tokens

FAULT = "gateway-rate-limit"
LOOK_SECONDS = 0.5
MOST_IN_FLIGHT = 64

log = logging.getLogger("shop.load")


async def hammer(
    client: httpx.AsyncClient,
    registry_url: str,
    outcomes: Outcomes,
    stop: asyncio.Event,
    *,
    clock: Callable[[], float],
    wait: Callable[[asyncio.Event, float], Awaitable[bool]],
) -> None:
    """Until `stop`: ask the registry whether the fault is on and send its
    `requests_per_second`, evenly, as one user. A registry that does not answer changes nothing."""
    shopper = Shopper(client, HAMMERING_USER, Tokens(), outcomes)
    rate = 0.0
    next_look = clock()
    under_way: set[asyncio.Task[None]] = set()
    try:
        while not stop.is_set():
            if clock() >= next_look:
                next_look = clock() + LOOK_SECONDS
                rate = await asked_rate(client, registry_url, rate)
            if rate and len(under_way) < MOST_IN_FLIGHT:
                task = asyncio.ensure_future(_ask_for_products(shopper))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            await wait(stop, 1 / rate if rate else LOOK_SECONDS)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def asked_rate(client: httpx.AsyncClient, registry_url: str, known: float) -> float:
    """Requests a second that the fault asks for, 0 while it is off, `known` without an answer."""
    try:
        response = await client.get(f"{registry_url}/v1/faults", timeout=2.0)
        response.raise_for_status()
        active = response.json()["active"]
        return float(active[FAULT]["requests_per_second"]) if FAULT in active else 0.0
    except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
        log.warning("the registry does not say which faults are on: %r", error)
        return known


async def _ask_for_products(shopper: Shopper) -> None:
    # A refusal is what this is for; the books have it.
    with contextlib.suppress(GaveUp):
        await shopper.get("/api/v1/products")
