"""What payment-service does when it hears of orders, and of stock that was not there.

orders:    OrderCreated ──────▶ charge ──▶ payments: PaymentCompleted | PaymentFailed
orders:    OrderExpired ──────▶ call off, or refund ──▶ payments: PaymentRefunded
inventory: InventoryRejected ─▶ refund ──▶ payments: PaymentRefunded
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from shop import events
from shop.chassis.errors import NotFound, ShopError
from shop.chassis.message_transport import MAX_ATTEMPTS
from shop.chassis.ports import Delivery, Event, Events
from shop.payment.contract import Charge, ChargeRequest, Payments

GROUP = "payment-service"

CAPTURED = "captured"

_log = logging.getLogger("shop.payment")


class PaymentsToCallOff(Payments, Protocol):
    """Payments that can be given up by their key, where nobody knows whether they were made."""

    def call_off(self, idempotency_key: str, order_id: str) -> Charge | None:
        """Take nothing under this key, and give back what may have been taken. A charge that is
        written down is returned instead."""
        ...


class PaymentConsumers:
    """Answers every event, again when it comes again: the charge has the order's key, so that it
    is taken once. Handlers raise what a later delivery may mend; when there will be none, a
    payment is called off, so that every order hears of its payment."""

    def __init__(self, payments: PaymentsToCallOff, published: Events) -> None:
        self._payments = payments
        self._events = published

    def order_created(self, delivery: Delivery) -> None:
        """Charge the card."""
        data = delivery.event.data
        order_id = str(data["order_id"])
        charge: Charge | None
        try:
            charge = self._payments.charge(
                ChargeRequest(
                    order_id=order_id,
                    user_id=data["user_id"],
                    amount_cents=data["total_cents"],
                    currency=data["currency"],
                    card_token=data["card_token"],
                    idempotency_key=_key_of(order_id),
                )
            )
            failure = "" if charge.status == CAPTURED else "the money was given back"
        except Exception as error:
            failure = str(error) if isinstance(error, ShopError) else "internal error"
            charge = None
            if not isinstance(error, ShopError) or error.is_retryable or error.http_status >= 500:
                if delivery.attempt < MAX_ATTEMPTS:
                    raise
                _log.exception("the payment of %s is given up", order_id)
                # Somebody may have made the charge in the meantime.
                charge = self._payments.call_off(_key_of(order_id), order_id)
        if charge is None or charge.status != CAPTURED:
            _log.warning("cannot charge for %s: %s", order_id, failure)
            self._publish(events.PAYMENT_FAILED, data, failure=failure)
            return
        self._publish(
            events.PAYMENT_COMPLETED, data, charge_id=charge.charge_id, lines=data["lines"]
        )

    def order_expired(self, delivery: Delivery) -> None:
        """Nobody waits for it any more: take nothing, or give the money back."""
        data = delivery.event.data
        order_id = str(data["order_id"])
        charge = self._payments.call_off(_key_of(order_id), order_id)
        if charge is not None:
            self._payments.refund(charge.charge_id, f"refund-of-{order_id}")
            self._publish(events.PAYMENT_REFUNDED, data, charge_id=charge.charge_id)

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


def _key_of(order_id: str) -> str:
    return f"charge-of-{order_id}"


def subscribe(payments: PaymentsToCallOff, chassis_events: Events) -> None:
    """Listen to orders and to inventory."""
    consumers = PaymentConsumers(payments, chassis_events)
    handlers = {
        events.ORDER_CREATED: consumers.order_created,
        events.ORDER_EXPIRED: consumers.order_expired,
    }

    def hear_of_order(delivery: Delivery) -> None:
        handlers[delivery.event.type](delivery)

    chassis_events.subscribe(events.ORDERS, GROUP, hear_of_order, types=tuple(handlers))
    chassis_events.subscribe(
        events.INVENTORY, GROUP, consumers.inventory_rejected, types=(events.INVENTORY_REJECTED,)
    )
