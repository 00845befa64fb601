"""What order-service does when it hears of a payment or of stock: quick orders move on.

payments:  PaymentCompleted  ─┐ both: confirmed
inventory: InventoryReserved ─┘
payments:  PaymentFailed     ─┐ either: cancelled
inventory: InventoryRejected ─┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from shop import events
from shop.chassis.ports import Delivery, Events
from shop.order.logic import OrderLogic

GROUP = "order-service"

Hear: TypeAlias = Callable[[Mapping[str, Any]], None]


def subscribe(published: Events, logic: OrderLogic) -> None:
    """Listen to payments and to stock. Events about orders that were not placed by choreography,
    or that are decided already, change nothing."""
    _listen(
        published,
        events.PAYMENTS,
        {events.PAYMENT_COMPLETED: logic.hear_paid, events.PAYMENT_FAILED: logic.hear_failed},
    )
    _listen(
        published,
        events.INVENTORY,
        {
            events.INVENTORY_RESERVED: logic.hear_reserved,
            events.INVENTORY_REJECTED: logic.hear_failed,
        },
    )


def _listen(published: Events, topic: str, handlers: Mapping[str, Hear]) -> None:
    def handle(delivery: Delivery) -> None:
        handlers[delivery.event.type](delivery.event.data)

    published.subscribe(topic, GROUP, handle, types=tuple(handlers))
