"""The saga over the real payment logic: money that was taken unseen is given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop.chassis.database import SqlDatabase
from shop.chassis.errors import DependencyTimeout, PaymentDeclined
from shop.chassis.settings import Settings
from shop.order.logic import OrderLogic
from shop.payment import tables
from shop.payment.card_network import Authorisation
from shop.payment.contract import Charge, ChargeRequest
from shop.payment.history import MAX_CENTS
from shop.payment.logic import PaymentLogic
from tests.shop.order.world import REQUEST, scene


class Killed(BaseException):
    """payment-service ends here."""


class CardNetwork:
    """Takes the money, and at the first time payment-service does not live to see it."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refunded: list[str] = []

    def authorise(
        self, card_token: str, amount_cents: int, currency: str, idempotency_key: str
    ) -> Authorisation:
        if idempotency_key not in self.taken:
            self.taken.append(idempotency_key)
            if len(self.taken) == 1:
                raise Killed
        return Authorisation(id=idempotency_key)

    def refund(self, authorisation_id: str, amount_cents: int, idempotency_key: str) -> None:
        self.refunded.append(authorisation_id)

    def void(self, idempotency_key: str) -> None:
        raise AssertionError("the saga asks in time")


class PaymentService:
    """As order-service sees it: a death there is a silence here, and another customer's purchase
    goes through before it asks again."""

    def __init__(self, logic: PaymentLogic) -> None:
        self._logic = logic

    def charge(self, request: ChargeRequest) -> Charge:
        try:
            return self._logic.charge(request)
        except Killed as death:
            other = request.model_copy(
                update={"amount_cents": MAX_CENTS, "idempotency_key": "other", "order_id": "other"}
            )
            self._logic.charge(other)
            raise DependencyTimeout("payment-service", "no answer") from death

    def refund(self, charge_id: str, idempotency_key: str) -> Charge:
        return self._logic.refund(charge_id, idempotency_key)


def test_a_charge_that_payment_service_did_not_survive_is_refunded_though_the_card_is_at_its_limit(
    tmp_path: Path,
) -> None:
    network = CardNetwork()
    with scene(tmp_path) as shop:
        database = SqlDatabase(Settings("payment-service", data_dir=tmp_path), tables.SCHEMA)
        payments = PaymentLogic(database, network)
        world = shop.world
        orders = OrderLogic(
            shop.database,
            world,
            payments=PaymentService(payments),
            inventory=world,
            shipping=world,
            users=world,
            faults=shop.faults,
            owner="order-service-2",
            sleep=shop.sleep,
        )
        order = orders.checkout("user-1", REQUEST, "")
        key = f"charge-{order.order_id}"
        assert order.status == "cancelled"
        assert network.taken == [key, "other"]
        assert network.refunded == [key]
        with pytest.raises(PaymentDeclined, match="too much in a short time"):
            payments.charge(
                ChargeRequest(
                    order_id="order-3",
                    user_id="user-1",
                    amount_cents=5,
                    currency="EUR",
                    card_token=REQUEST.card_token,
                    idempotency_key="third",
                )
            )
        orders.close()
        database.close()
