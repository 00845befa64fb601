"""What payment-service answers to events when things go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from shop import events
from shop.chassis.errors import DependencyTimeout, NotFound, PaymentDeclined
from shop.chassis.message_transport import MAX_ATTEMPTS
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


EXPIRED = Event(events.ORDER_EXPIRED, "order-1", TOLD)
CHARGE = Charge(
    charge_id="charge-1", order_id="order-1", amount_cents=5, currency="EUR", status="captured"
)


@dataclass
class PaymentsThatFail:
    """`made` is the charge that is written down, whatever the failure says."""

    failure: Exception
    made: Charge | None = None
    keys: list[str] = field(default_factory=list)
    called_off: list[str] = field(default_factory=list)
    refunded: list[str] = field(default_factory=list)

    def charge(self, request: ChargeRequest) -> Charge:
        self.keys.append(request.idempotency_key)
        raise self.failure

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        self.keys.append(idempotency_key)
        if self.made and self.made.charge_id == charge_id:
            self.refunded.append(charge_id)
            return self.made.model_copy(update={"status": "refunded"})
        raise self.failure

    def call_off(self, idempotency_key: str, order_id: str) -> Charge | None:
        self.called_off.append(idempotency_key)
        return self.made


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


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (DependencyTimeout("card-network", "no answer"), "no answer"),
        (RuntimeError("a defect"), "internal error"),
    ],
)
def test_a_payment_that_fails_at_the_last_delivery_is_called_off_and_said_to_have_failed(
    failure: Exception, said: str
) -> None:
    heard, payments = HeardEvents(), PaymentsThatFail(failure)
    consumers = PaymentConsumers(payments, heard)
    with pytest.raises(type(failure)):
        consumers.order_created(delivery(CREATED, events.ORDERS, MAX_ATTEMPTS - 1))
    assert payments.called_off == []
    consumers.order_created(delivery(CREATED, events.ORDERS, MAX_ATTEMPTS))
    assert payments.called_off == ["charge-of-order-1"]
    assert heard.published == [
        (events.PAYMENTS, Event(events.PAYMENT_FAILED, "order-1", TOLD | {"failure": said}))
    ]


def test_a_charge_that_somebody_else_made_meanwhile_completes_the_payment() -> None:
    heard = HeardEvents()
    payments = PaymentsThatFail(DependencyTimeout("card-network", "no answer"), made=CHARGE)
    PaymentConsumers(payments, heard).order_created(delivery(CREATED, events.ORDERS, MAX_ATTEMPTS))
    ((_, event),) = heard.published
    assert event.type == events.PAYMENT_COMPLETED
    assert event.data["charge_id"] == "charge-1"


def test_the_money_of_an_order_that_expired_goes_back() -> None:
    heard, payments = HeardEvents(), PaymentsThatFail(NotFound("no charge"), made=CHARGE)
    PaymentConsumers(payments, heard).order_expired(delivery(EXPIRED, events.ORDERS))
    assert payments.refunded == ["charge-1"]
    assert [event.type for _, event in heard.published] == [events.PAYMENT_REFUNDED]


def test_for_an_order_that_expired_unpaid_nothing_is_taken_any_more() -> None:
    heard, payments = HeardEvents(), PaymentsThatFail(NotFound("no charge"))
    PaymentConsumers(payments, heard).order_expired(delivery(EXPIRED, events.ORDERS))
    assert payments.called_off == ["charge-of-order-1"]
    assert payments.refunded == []
    assert heard.published == []
