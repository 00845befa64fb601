"""What payment-service does when it hears of orders, and of stock that was not there.

orders:    OrderCreated ──────▶ charge ──▶ payments: PaymentCompleted | PaymentFailed
inventory: InventoryRejected ─▶ refund ──▶ payments: PaymentRefunded
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from shop import events
from shop.chassis.errors import NotFound, ShopError
from shop.chassis.ports import Delivery, Event, Events
from shop.payment.contract import ChargeRequest, Payments

GROUP = "payment-service"

_log = logging.getLogger("shop.payment")


class PaymentConsumers:
    """Answers every event, again when it comes again: the charge has the order's key, so that it
    is taken once. Handlers raise what a later delivery may mend."""

    def __init__(self, payments: Payments, published: Events) -> None:
        self._payments = payments
        self._events = published

    def order_created(self, delivery: Delivery) -> None:
        """Charge the card."""
        data = delivery.event.data
        order_id = str(data["order_id"])
        try:
            charge = self._payments.charge(
                ChargeRequest(
                    order_id=order_id,
                    user_id=data["user_id"],
                    amount_cents=data["total_cents"],
                    currency=data["currency"],
                    card_token=data["card_token"],
                    idempotency_key=f"charge-of-{order_id}",
                )
            )
        except ShopError as error:
            if error.is_retryable or error.http_status >= 500:
                raise
            _log.warning("cannot charge for %s: %s", order_id, error)
            self._publish(events.PAYMENT_FAILED, data, failure=str(error))
            return
        self._publish(
            events.PAYMENT_COMPLETED, data, charge_id=charge.charge_id, lines=data["lines"]
        )

    def inventory_rejected(self, delivery: Delivery) -> None:
        """Give the money back."""
        data = delivery.event.data
        charge_id = str(data["charge_id"])
        try:
            self._payments.refund(charge_id, f"refund-of-{data['order_id']}")
        except NotFound as error:
            # No delivery will ever find it.
            _log.error("cannot refund for %s: %s", data["order_id"], error)
            return
        self._publish(events.PAYMENT_REFUNDED, data, charge_id=charge_id)

    def _publish(self, kind: str, data: Mapping[str, Any], **told: Any) -> None:
        about = {key: data[key] for key in ("order_id", "user_id", "saga_id")}
        self._events.publish(
            events.PAYMENTS, Event(type=kind, key=str(data["order_id"]), data=about | told)
        )


def subscribe(payments: Payments, chassis_events: Events) -> None:
    """Listen to orders and to inventory."""
    consumers = PaymentConsumers(payments, chassis_events)
    chassis_events.subscribe(
        events.ORDERS, GROUP, consumers.order_created, types=(events.ORDER_CREATED,)
    )
    chassis_events.subscribe(
        events.INVENTORY, GROUP, consumers.inventory_rejected, types=(events.INVENTORY_REJECTED,)
    )
