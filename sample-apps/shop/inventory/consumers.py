"""What inventory-service does when it hears of a payment: reserve, and say how that went.

payments: PaymentCompleted ──▶ reserve ──▶ inventory: InventoryReserved | InventoryRejected
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pydantic import TypeAdapter

from shop import events
from shop.chassis.errors import ShopError
from shop.chassis.ports import Delivery, Event, Events, Faults
from shop.inventory.contract import Inventory, Line

GROUP = "inventory-service"
LAG = "inventory-lag"

_LINES = TypeAdapter(list[Line])
_log = logging.getLogger("shop.inventory")


class PaymentConsumer:
    """Reserves what was paid for. `sleep` takes seconds."""

    def __init__(
        self,
        inventory: Inventory,
        published: Events,
        faults: Faults,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inventory = inventory
        self._events = published
        self._faults = faults
        self._sleep = sleep

    def handle(self, delivery: Delivery) -> None:
        """Answer every event, again when it comes again: the reservation has the order's key, so
        that it is made once. Raises what a later delivery may mend."""
        parameters = self._faults.active(LAG)
        if parameters is not None:
            self._faults.acted(LAG)
            # One event after the other: the next one waits as long again.
            self._sleep(float(parameters["seconds_per_event"]))
        data = delivery.event.data
        order_id = str(data["order_id"])
        told = {key: data[key] for key in ("order_id", "user_id", "saga_id")}
        try:
            reservation = self._inventory.reserve(
                order_id, _LINES.validate_python(data["lines"]), f"payment-of-{order_id}"
            )
        except ShopError as error:
            if error.is_retryable:
                raise
            _log.warning("cannot reserve for %s: %s", order_id, error)
            kind = events.INVENTORY_REJECTED
            told |= {"charge_id": data["charge_id"], "failure": str(error)}
        else:
            kind = events.INVENTORY_RESERVED
            told["reservation_id"] = reservation.reservation_id
        self._events.publish(events.INVENTORY, Event(type=kind, key=order_id, data=told))


def subscribe(inventory: Inventory, chassis_events: Events, faults: Faults) -> None:
    """Listen to payments."""
    consumer = PaymentConsumer(inventory, chassis_events, faults)
    chassis_events.subscribe(
        events.PAYMENTS, GROUP, consumer.handle, types=(events.PAYMENT_COMPLETED,)
    )
