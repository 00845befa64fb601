"""Makes the traces of a small shop, healthy or with something wrong, for the search for causes.

gateway POST /orders ─▶ orders POST /orders ─▶ SELECT stock
                                            ─▶ payments Charge ─▶ SELECT cards
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from longpole.model.span import Resource, Span, SpanKind

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_767_323_045 * SECOND


@dataclass(frozen=True)
class Shop:
    """What the shop does. `share` is the part of requests that a fault strikes."""

    query_ms: float = 3.0  # the payments' query
    network_ms: float = 0.5  # either way between orders and payments
    queries: int = 1  # of orders
    charge_fails: bool = False
    refuses: bool = False  # payments answers nothing at all
    extra_call: bool = False  # payments calls users, which it never did
    share: float = 1.0
    root: str = "POST /orders"


HEALTHY = Shop()


def window(shop: Shop, count: int, start: int, seed: int) -> list[Span]:
    """The spans of that many requests, 100 ms apart."""
    random = Random(seed)
    spans: list[Span] = []
    for number in range(count):
        struck = random.random() < shop.share
        begin = start + number * 100 * MS
        ids = random.getrandbits(128) | 1
        spans += _request(shop if struck else replace(HEALTHY, root=shop.root), begin, ids, random)
    return spans


def _request(shop: Shop, begin: int, trace_id: int, random: Random) -> list[Span]:
    ids = iter(range(1, 1_000))
    spans: list[Span] = []
    at = float(begin)

    def took(ms: float) -> int:
        # Some of everything is slow in every system, and nobody's fault.
        nonlocal at
        at += ms * MS * (0.8 + 0.4 * random.random()) * (4 if random.random() < 0.02 else 1)
        return round(at)

    def add(
        number: int, parent: int, start: int, service: str, name: str, kind: int, failed: bool
    ) -> None:
        peer = {"peer.service": "payments"} if (name, kind) == ("Charge", SpanKind.CLIENT) else {}
        spans.append(
            Span(
                trace_id, number, parent, name, kind, start, round(at), service,
                2 if failed else 0, "broke" if failed else "", peer,
                resource=Resource({"service.name": service}),
            )
        )  # fmt: skip

    # Children are added before their parents, whose ids are therefore fixed beforehand.
    gateway, client, orders, charge, payments = (next(ids) for _ in range(5))
    took(1)
    orders_start = took(0.5)
    for _ in range(shop.queries):
        start = round(at)
        took(2)
        add(next(ids), orders, start, "orders", "SELECT stock", SpanKind.CLIENT, False)
    charge_start = took(1)
    failed = shop.charge_fails or shop.refuses
    if shop.refuses:
        took(0.2)
    else:
        payments_start = took(shop.network_ms)
        start = round(at)
        took(shop.query_ms)
        add(next(ids), payments, start, "payments", "SELECT cards", SpanKind.CLIENT, False)
        if shop.extra_call:
            start = round(at)
            took(0.5)
            add(next(ids), payments, start, "payments", "GET /users", SpanKind.CLIENT, False)
        took(0.3)
        add(
            payments,
            charge,
            payments_start,
            "payments",
            "Charge",
            SpanKind.SERVER,
            shop.charge_fails,
        )
        took(shop.network_ms)
    add(charge, orders, charge_start, "orders", "Charge", SpanKind.CLIENT, failed)
    took(1)
    add(orders, client, orders_start, "orders", "POST /orders", SpanKind.SERVER, failed)
    took(0.5)
    add(client, gateway, begin + MS, "gateway", "POST", SpanKind.CLIENT, failed)
    took(1)
    add(gateway, 0, begin, "gateway", shop.root, SpanKind.SERVER, failed)
    return spans


def two_windows(shop: Shop, count: int = 60, seed: int = 1) -> Sequence[Span]:
    """A healthy window, and right after it as many requests of this shop."""
    return [
        *window(replace(HEALTHY, root=shop.root), count, START, seed),
        *window(shop, count, START + count * 100 * MS, seed + 1),
    ]
