"""Journeys: what customers do in the shop, from the door to the end, and how often."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from shop.load.customers import any_sku, basket, card
from shop.load.shopper import Shopper

Sleep: TypeAlias = Callable[[float], Awaitable[None]]

# Pauses between two looks at a pending order, in seconds: a dozen seconds in all.
LOOKS = (0.15, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a journey is given."""

    shopper: Shopper
    chance: random.Random
    sleep: Sleep = asyncio.sleep

    async def think(self) -> None:
        """A look at the page; nobody learns more from longer ones."""
        await self.sleep(self.chance.uniform(0.05, 0.3))


async def browse(visit: Visit) -> str:
    """Log in, look around, buy nothing."""
    await visit.shopper.login()
    await visit.shopper.get("/api/v1/home")
    await visit.think()
    await visit.shopper.get("/api/v1/products")
    await visit.think()
    await visit.shopper.get("/api/v1/products/{sku}", sku=any_sku(visit.chance))
    return "done"


async def buy(visit: Visit) -> str:
    """Home page, a product, checkout, a look at the order."""
    await visit.shopper.get("/api/v1/home")
    await visit.think()
    await visit.shopper.get("/api/v1/products/{sku}", sku=any_sku(visit.chance))
    await visit.think()
    order = await visit.shopper.post("/api/v1/orders", _order(visit), _new_key())
    found = await visit.shopper.get("/api/v1/orders/{order_id}", order_id=order["order_id"])
    return str(found["status"])


async def quick_buy(visit: Visit) -> str:
    """Order with one click; look until the order is no longer pending."""
    order = await visit.shopper.post("/api/v1/quick-orders", _order(visit), _new_key())
    for pause in LOOKS:
        if order["status"] != "pending":
            break
        await visit.sleep(pause)
        order = await visit.shopper.get("/api/v1/orders/{order_id}", order_id=order["order_id"])
    return str(order["status"])


async def history(visit: Visit) -> str:
    """What did I order?"""
    await visit.shopper.get("/api/v1/orders")
    return "done"


def _order(visit: Visit) -> dict[str, Any]:
    token = card(visit.shopper.user_id, visit.chance)
    return {"lines": basket(visit.chance), "card_token": token}


def _new_key() -> str:
    # Not from the seed: a second run over the same data must place orders of its own.
    return str(uuid.uuid4())


Journey: TypeAlias = Callable[[Visit], Awaitable[str]]

# Name, weight, steps.
JOURNEYS: tuple[tuple[str, int, Journey], ...] = (
    ("browse", 35, browse),
    ("buy", 35, buy),
    ("quick buy", 15, quick_buy),
    ("history", 15, history),
)


def choose(chance: random.Random) -> tuple[str, Journey]:
    """A journey, as often as its weight says."""
    weights = [weight for _, weight, _ in JOURNEYS]
    ((name, _, journey),) = chance.choices(JOURNEYS, weights)
    return name, journey
