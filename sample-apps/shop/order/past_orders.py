"""Past orders: what the seeded users bought before the shop that is running now was started.

A list of orders is only worth a look when there are some, and the fault order-n-plus-one only
hurts a list of many.
"""

from __future__ import annotations

import random
import time

from opentelemetry.instrumentation.utils import suppress_instrumentation

from shop.chassis.ports import Database
from shop.inventory.contract import Line
from shop.order.contract import Order
from shop.order.order_store import CHECKOUT, CONFIRMED, Placing, insert

USERS = 50
ORDERS_EACH = 12
_DAY_MS = 86_400_000


def remember_past_orders(database: Database, now_unix_ms: int | None = None) -> int:
    """Write them down unless they are known; how many are new. The same ones each time, so that
    several instances may begin at once. No request asks for it, so it leaves no spans."""
    with suppress_instrumentation():
        return _remember(database, now_unix_ms)


def _remember(database: Database, now_unix_ms: int | None) -> int:
    now = round(time.time() * 1000) if now_unix_ms is None else now_unix_ms
    with database.transaction() as transaction:
        if transaction.execute("SELECT 1 FROM orders WHERE idempotency_key = 'past-0' LIMIT 1"):
            return 0
    rng = random.Random("past orders")
    written = 0
    for number in range(1, USERS + 1):
        with database.transaction() as transaction:
            for place in range(ORDERS_EACH):
                skus = rng.sample(range(1, 41), rng.randrange(1, 4))
                lines = [Line(sku=f"sku-{sku}", quantity=rng.randrange(1, 3)) for sku in skus]
                order = Order(
                    order_id=f"past-{number}-{place}",
                    user_id=f"user-{number}",
                    saga_id=f"past-{number}-{place}",
                    status=CONFIRMED,
                    lines=lines,
                    total_cents=sum(1_999 * line.quantity for line in lines),
                )
                created = now - (place + 1) * 5 * _DAY_MS - rng.randrange(_DAY_MS)
                placing = Placing(CHECKOUT, f"past-{place}", "", created)
                written += insert(transaction, order, placing)
    return written
