"""What payment-service answers to events when things go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shop import events
from shop.chassis.errors import DependencyTimeout, NotFound, PaymentDeclined
from shop.chassis.ports import Event
from shop.payment.consumers import PaymentConsumers
from shop.payment.contract import Charge, ChargeRequest
from tests.shop.inventory.stage import HeardEvents, delivery

TOLD = {"order_id": "order-1", "user_id": "user-7", "saga_id": "saga-1"}
CREATED = Event(
    events.ORDER_CREATED,
    "order-1",
    TOLD | {"lines": [], "total_cents": 5, "currency": "EUR", "card_token": "card-user-7"},
)
REJECTED = Event(events.INVENTORY_REJECTED, "order-1", TOLD | {"charge_id": "charge-1"})


@dataclass
class PaymentsThatFail:
    failure: Exception
    keys: list[str] = field(default_factory=list)

    def charge(self, request: ChargeRequest) -> Charge:
        self.keys.append(request.idempotency_key)
        raise self.failure

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        self.keys.append(idempotency_key)
        raise self.failure


def test_a_declined_card_fails_the_payment_of_the_order() -> None:
    heard = HeardEvents()
    consumers = PaymentConsumers(PaymentsThatFail(PaymentDeclined("do not honour")), heard)
    consumers.order_created(delivery(CREATED, events.ORDERS))
    assert heard.published == [
        (
            events.PAYMENTS,
            Event(events.PAYMENT_FAILED, "order-1", TOLD | {"failure": "do not honour"}),
        )
    ]


def test_what_may_work_later_is_left_to_the_next_delivery_with_the_same_key() -> None:
    heard = HeardEvents()
    payments = PaymentsThatFail(DependencyTimeout("card-network", "no answer"))
    consumers = PaymentConsumers(payments, heard)
    for attempt in (1, 2):
        with pytest.raises(DependencyTimeout):
            consumers.order_created(delivery(CREATED, events.ORDERS, attempt))
        with pytest.raises(DependencyTimeout):
            consumers.inventory_rejected(delivery(REJECTED, events.INVENTORY, attempt))
    assert heard.published == []
    assert payments.keys == ["charge-of-order-1", "refund-of-order-1"] * 2


def test_a_refund_of_what_was_never_charged_is_not_tried_for_ever() -> None:
    heard = HeardEvents()
    consumers = PaymentConsumers(PaymentsThatFail(NotFound("there is no charge")), heard)
    consumers.inventory_rejected(delivery(REJECTED, events.INVENTORY))
    assert heard.published == []
