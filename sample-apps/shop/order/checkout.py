"""The checkout saga: charge, reserve, announce by e-mail, ship, and how each is undone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from shop import events
from shop.chassis.errors import DependencyUnavailable
from shop.chassis.ports import Event, Events, Faults
from shop.inventory.contract import Inventory, Line
from shop.order.certainty import may_have_happened
from shop.order.contract import Order
from shop.order.saga import Saga, Step
from shop.order.saga_store import SagaState
from shop.payment.contract import ChargeRequest, Payments
from shop.shipping.contract import Shipping
from shop.user.contract import Address

NAME = "checkout"
EMAIL_FAILS = "saga-email-fails"
MISSING_COMPENSATION = "saga-missing-compensation"

CHARGE_PAUSE_SECONDS = 0.1
# More than any broker of the shop takes as one message.
ATTACHED_BYTES = 1_200_000


def checkout_data(order: Order, card_token: str, address: Address) -> Mapping[str, Any]:
    """What the steps need to know, as it is kept with the saga."""
    return {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "lines": [line.model_dump() for line in order.lines],
        "total_cents": order.total_cents,
        "currency": order.currency,
        "card_token": card_token,
        "address": address.model_dump(),
    }


class Checkout:
    """The steps over the ports of the other services."""

    def __init__(
        self,
        payments: Payments,
        inventory: Inventory,
        shipping: Shipping,
        published: Events,
        faults: Faults,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._payments = payments
        self._inventory = inventory
        self._shipping = shipping
        self._events = published
        self._faults = faults

    def saga(self) -> Saga:
        """The saga as it is to be run now."""
        # The fault: a release in which somebody took the refund out of the list. It is noticed
        # when a later step fails, and shipping-service sees to that.
        forgets_refund = self._faults.active(MISSING_COMPENSATION) is not None
        return Saga(
            NAME,
            (
                Step("charge", self._charge, None if forgets_refund else self._refund),
                Step("reserve", self._reserve, self._release),
                Step(
                    "email",
                    self._announce,
                    self._correct,
                    irreversible="an e-mail cannot be called back; a correction was sent",
                ),
                Step("ship", self._ship, self._cancel),
            ),
        )

    def _charge(self, state: SagaState) -> Mapping[str, Any]:
        data = state.data
        request = ChargeRequest(
            order_id=data["order_id"],
            user_id=data["user_id"],
            amount_cents=data["total_cents"],
            currency=data["currency"],
            card_token=data["card_token"],
            idempotency_key=f"charge-{data['order_id']}",
        )
        try:
            charge = self._payments.charge(request)
        except DependencyUnavailable as error:
            # Repeated here and not by the client: had the first attempt been lost on its way and
            # the second one been refused, the error would tell of the refusal only, and the saga
            # would take the money for untouched.
            if may_have_happened(error):
                raise
            self._sleep(CHARGE_PAUSE_SECONDS)
            charge = self._payments.charge(request)
        return {"charge_id": charge.charge_id}

    def _refund(self, state: SagaState) -> None:
        key = f"refund-{state.data['order_id']}"
        self._payments.refund(state.results["charge"]["charge_id"], key)

    def _reserve(self, state: SagaState) -> Mapping[str, Any]:
        order_id = state.data["order_id"]
        reservation = self._inventory.reserve(order_id, _lines(state), f"reserve-{order_id}")
        return {"reservation_id": reservation.reservation_id}

    def _release(self, state: SagaState) -> None:
        self._inventory.release(state.results["reserve"]["reservation_id"])

    def _announce(self, state: SagaState) -> Mapping[str, Any]:
        more = {}
        if self._faults.active(EMAIL_FAILS) is not None:
            self._faults.acted(EMAIL_FAILS)
            # A template with all pictures in it: the broker refuses a message of that size.
            more = {"attachment": "x" * ATTACHED_BYTES}
        self._email(state, "order-received", more)
        return {}

    def _correct(self, state: SagaState) -> None:
        self._email(state, "correction", {})

    def _email(self, state: SagaState, template: str, more: Mapping[str, Any]) -> None:
        order_id = state.data["order_id"]
        data = {
            "order_id": order_id,
            "user_id": state.data["user_id"],
            "saga_id": state.saga_id,
            "template": template,
            **more,
        }
        # The id makes the same e-mail the same event, however often the step is run.
        event = Event(events.EMAIL_REQUESTED, order_id, data, f"{template}-{order_id}")
        self._events.publish(events.EMAILS, event)

    def _ship(self, state: SagaState) -> Mapping[str, Any]:
        order_id = state.data["order_id"]
        address = Address.model_validate(state.data["address"])
        shipment = self._shipping.schedule(order_id, address, _lines(state), f"ship-{order_id}")
        return {"shipment_id": shipment.shipment_id, "tracking_code": shipment.tracking_code}

    def _cancel(self, state: SagaState) -> None:
        self._shipping.cancel(state.results["ship"]["shipment_id"])


def _lines(state: SagaState) -> list[Line]:
    return [Line.model_validate(line) for line in state.data["lines"]]
