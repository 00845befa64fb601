"""What recommendation-service learns from events: every confirmed order is counted, once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from shop.chassis.ports import Database, Delivery, Event, Events, Transaction
from shop.events import ORDER_CONFIRMED, ORDERS

GROUP = "recommendation-service"
BATCH_EVENTS = 20

_log = logging.getLogger("shop.recommendation")


class Learner:
    """Counts what is bought. An order that comes twice counts once, whoever delivers it again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def learn(self, deliveries: Sequence[Delivery]) -> None:
        """Count the confirmed orders among these events, all or none."""
        orders = {
            str(delivery.event.data["order_id"]): delivery.event
            for delivery in deliveries
            if delivery.event.type == ORDER_CONFIRMED
        }
        if not orders:
            return
        with self._database.transaction() as transaction:
            new = _not_yet_learned(transaction, sorted(orders))
            popularity: Counter[tuple[str, ...]] = Counter()
            tastes: Counter[tuple[str, ...]] = Counter()
            for order_id in new:
                _count(orders[order_id], popularity, tastes)
            _add(transaction, "popularity", ("sku",), popularity)
            _add(transaction, "tastes", ("user_id", "sku"), tastes)
        _log.info("learned from %d orders of %d", len(new), len(orders))


def subscribe(events: Events, learner: Learner) -> None:
    """Learn from the topic `orders`, in batches: counting is cheaper by the dozen, and a
    recommendation that is a second old is as good."""
    events.subscribe_batches(ORDERS, GROUP, learner.learn, max_events=BATCH_EVENTS)


def _not_yet_learned(transaction: Transaction, order_ids: Sequence[str]) -> list[str]:
    values = ", ".join(f"(:order_{n})" for n in range(len(order_ids)))
    rows = transaction.execute(
        f"INSERT INTO learned_orders (order_id) VALUES {values} "
        "ON CONFLICT (order_id) DO NOTHING RETURNING order_id",
        **{f"order_{n}": order_id for n, order_id in enumerate(order_ids)},
    )
    return [row["order_id"] for row in rows]


def _count(
    event: Event, popularity: Counter[tuple[str, ...]], tastes: Counter[tuple[str, ...]]
) -> None:
    for line in event.data.get("lines", ()):
        sku, quantity = str(line["sku"]), int(line["quantity"])
        popularity[(sku,)] += quantity
        tastes[(str(event.data["user_id"]), sku)] += quantity


def _add(
    transaction: Transaction,
    table: str,
    key: Sequence[str],
    counts: Counter[tuple[str, ...]],
) -> None:
    if not counts:
        return
    # In a fixed order, so that two instances that count at once never lock each other out.
    rows = sorted(counts.items())
    columns = (*key, "bought")
    values = ", ".join(
        "(" + ", ".join(f":{column}_{n}" for column in columns) + ")" for n in range(len(rows))
    )
    parameters = {
        f"{column}_{n}": value
        for n, (names, count) in enumerate(rows)
        for column, value in zip(columns, (*names, count), strict=True)
    }
    transaction.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET bought = {table}.bought + excluded.bought",
        **parameters,
    )
