"""Customers: who comes, with which card, and what they put into the basket."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TypedDict

USERS = 50
PRODUCTS = 40
# Of the seeded users one only comes to hammer, so that its rate limit hits nobody else.
HAMMERING_USER = f"user-{USERS}"
DECLINED_SHARE = 0.02


class Login(TypedDict):
    """The body of `POST /api/v1/login`."""

    email: str
    password: str


def login_of(user_id: str) -> Login:
    """The seeded credentials of a user."""
    return {"email": f"{user_id}@shop.example", "password": f"{user_id}-password"}


def customers(chance: random.Random) -> Iterator[str]:
    """User ids without end. Everybody comes once before anybody comes again, in an order that
    changes: the load on one user stays even, far from the rate limit."""
    deck = [f"user-{number}" for number in range(1, USERS)]
    while True:
        chance.shuffle(deck)
        yield from deck


def basket(chance: random.Random) -> list[dict[str, str | int]]:
    """One to three different products, one or two of each."""
    skus = chance.sample(range(1, PRODUCTS + 1), chance.choice((1, 1, 2, 3)))
    return [{"sku": f"sku-{sku}", "quantity": chance.choice((1, 1, 2))} for sku in skus]


def card(user_id: str, chance: random.Random) -> str:
    """A card token; the card network declines those that begin with `declined`."""
    start = "declined" if chance.random() < DECLINED_SHARE else "card"
    return f"{start}-{user_id}"


def any_sku(chance: random.Random) -> str:
    """A product to look at."""
    return f"sku-{chance.randint(1, PRODUCTS)}"
