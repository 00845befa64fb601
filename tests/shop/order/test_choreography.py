"""The choreography: order-, payment- and inventory-service move an order on by events alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shop import events
from shop.chassis.database import SqlDatabase
from shop.chassis.errors import DependencyTimeout, PaymentDeclined
from shop.chassis.local_events import LocalTransport
from shop.chassis.messaging import BrokerEvents
from shop.chassis.ports import Event
from shop.chassis.settings import Settings
from shop.inventory import consumers as inventory_consumers
from shop.inventory import tables as inventory_tables
from shop.inventory.contract import Line
from shop.inventory.logic import InventoryLogic
from shop.order import consumers as order_consumers
from shop.order.contract import OrderRequest
from shop.order.logic import OVERDUE_SECONDS, OrderLogic
from shop.order.patrol import Patrol
from shop.order.tables import SCHEMA
from shop.payment import consumers as payment_consumers
from shop.payment import tables as payment_tables
from shop.payment.card_network import Authorisation
from shop.payment.logic import PaymentLogic
from shop.payment.settling import PROMISED_SECONDS, Settling
from tests.shop.inventory.stage import collect, wait_until
from tests.shop.order.world import Switches, World


class CardNetwork:
    """Takes the money of every card that is not declined. While it is silent it takes the money
    all the same, and nobody learns of it."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refunded: list[str] = []
        self.voided: list[str] = []
        self.is_silent = False

    def authorise(
        self, card_token: str, amount_cents: int, currency: str, idempotency_key: str
    ) -> Authorisation:
        if card_token.startswith("declined"):
            raise PaymentDeclined("the card was declined")
        if idempotency_key in self.voided:
            raise PaymentDeclined("nothing is taken under this key any more")
        if idempotency_key not in self.taken:
            self.taken.append(idempotency_key)
        self._say_nothing()
        return Authorisation(id=f"of-{idempotency_key}")

    def refund(self, authorisation_id: str, amount_cents: int, idempotency_key: str) -> None:
        self._say_nothing()
        key = authorisation_id.removeprefix("of-")
        if key not in self.refunded:
            self.refunded.append(key)

    def void(self, idempotency_key: str) -> None:
        self._say_nothing()
        self.voided.append(idempotency_key)

    def kept(self) -> set[str]:
        """The keys of what was taken and not given back."""
        return set(self.taken) - set(self.refunded) - set(self.voided)

    def _say_nothing(self) -> None:
        if self.is_silent:
            raise DependencyTimeout("card-network", "no answer")


class LossyBroker(BrokerEvents):
    """Events of the type `lose` go to `lost` and nowhere else."""

    lose = ""

    def __init__(self, *told: Any, **named: Any) -> None:
        super().__init__(*told, **named)
        self.lost: list[Event] = []

    def publish(self, topic: str, event: Event) -> None:
        if event.type == self.lose:
            self.lost.append(event)
        else:
            super().publish(topic, event)


class Street:
    """Three services with a database each and a broker between them."""

    def __init__(self, folder: Path) -> None:
        faults, world = Switches(), World()
        self.broker = LossyBroker(LocalTransport(), retry_seconds=0.01)
        self.network = CardNetwork()
        self.databases = [
            SqlDatabase(Settings(name, data_dir=folder), schema)
            for name, schema in (
                ("order-service", SCHEMA),
                ("payment-service", payment_tables.SCHEMA),
                ("inventory-service", inventory_tables.SCHEMA),
            )
        ]
        orders, payments, stock = self.databases
        self.inventory = InventoryLogic(stock, faults)
        self.now = time.time()

        def clock() -> float:
            return self.now

        payment = PaymentLogic(payments, self.network, clock=clock)
        self.settling = Settling(payment, payments, self.network, clock=clock)
        self.orders = OrderLogic(
            orders,
            self.broker,
            payments=payment,
            inventory=self.inventory,
            shipping=world,
            users=world,
            faults=faults,
            owner="order-service-1",
            clock=clock,
        )
        self.patrol = Patrol(self.orders)
        order_consumers.subscribe(self.broker, self.orders)
        payment_consumers.subscribe(payment, self.broker)
        inventory_consumers.subscribe(self.inventory, self.broker, faults)

    def order(self, quantity: int, card_token: str) -> str:
        """Order so many of sku-1; the id."""
        request = OrderRequest(lines=[Line(sku="sku-1", quantity=quantity)], card_token=card_token)
        return self.orders.quick_order("user-1", request, "").order_id

    def in_stock(self) -> int:
        """How many of sku-1 are left."""
        return self.inventory.product("sku-1").in_stock

    def wait(self, order_id: str, status: str) -> None:
        """Until the order has come to that."""
        wait_until(lambda: self.orders.order(order_id).status == status, status)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.broker.stop()
    street.orders.close()
    for database in street.databases:
        database.close()


def test_a_quick_order_is_paid_reserved_and_confirmed(street: Street) -> None:
    seen: list[Event] = []
    collect(street.broker, events.ORDERS, seen)
    street.broker.start()
    before = street.in_stock()

    order_id = street.order(2, "card-1")
    street.wait(order_id, "confirmed")

    assert street.in_stock() == before - 2
    assert len(street.network.taken) == 1
    wait_until(lambda: len(seen) == 2, "all is told")
    assert [event.type for event in seen] == [events.ORDER_CREATED, events.ORDER_CONFIRMED]
    assert len({event.data["saga_id"] for event in seen}) == 1


def test_a_declined_card_cancels_the_order_and_touches_no_stock(street: Street) -> None:
    street.broker.start()
    before = street.in_stock()

    order_id = street.order(1, "declined-1")
    street.wait(order_id, "cancelled")

    assert "declined" in street.orders.order(order_id).failure
    assert street.in_stock() == before


def test_without_stock_the_money_goes_back_and_the_order_is_cancelled(street: Street) -> None:
    street.broker.start()
    with street.databases[2].transaction() as transaction:
        transaction.execute("UPDATE products SET in_stock = 1 WHERE sku = 'sku-1'")

    order_id = street.order(2, "card-1")
    street.wait(order_id, "cancelled")

    wait_until(lambda: street.network.refunded == street.network.taken, "refunded")
    assert "out of stock" in street.orders.order(order_id).failure
    assert street.in_stock() == 1


def test_an_order_whose_charge_nobody_saw_end_is_cancelled_and_its_money_goes_back(
    street: Street,
) -> None:
    dead: list[Event] = []
    collect(street.broker, f"{events.ORDERS}.dead", dead)
    street.broker.start()
    street.network.is_silent = True

    order_id = street.order(1, "card-1")
    street.wait(order_id, "cancelled")

    assert street.network.kept() == {f"charge-of-{order_id}"}
    street.settling.round()
    assert street.network.kept() == {f"charge-of-{order_id}"}, "the network is still silent"
    street.network.is_silent = False
    street.now += 5
    street.settling.round()
    assert street.network.kept() == set()
    assert dead == []


def test_what_comes_late_for_a_payment_that_was_given_up_takes_nothing(street: Street) -> None:
    seen: list[Event] = []
    collect(street.broker, events.ORDERS, seen, (events.ORDER_CREATED,))
    street.broker.start()
    street.network.is_silent = True
    order_id = street.order(1, "card-1")
    street.wait(order_id, "cancelled")
    street.network.is_silent = False
    street.settling.round()
    before = street.in_stock()

    failed: list[Event] = []
    collect(street.broker, events.PAYMENTS, failed)
    wait_until(lambda: len(failed) == 1, "what was told before")
    wait_until(lambda: len(seen) == 1, "the order was told")
    # Under another id, or the broker would know it.
    street.broker.publish(events.ORDERS, replace(seen[0], event_id="late"))
    wait_until(lambda: len(failed) == 2, "an answer to the event that came late")

    assert [event.type for event in failed] == [events.PAYMENT_FAILED] * 2
    assert street.network.kept() == set()
    assert street.network.taken == [f"charge-of-{order_id}"]
    assert street.in_stock() == before


def test_an_order_that_lost_an_event_after_it_was_paid_is_cancelled_and_refunded(
    street: Street,
) -> None:
    street.broker.lose = events.PAYMENT_COMPLETED
    street.broker.start()
    order_id = street.order(1, "card-1")
    wait_until(lambda: len(street.broker.lost) == 1, "paid, and nobody heard")
    street.patrol.round()
    assert street.orders.order(order_id).status == "pending", "there is time yet"

    street.now += OVERDUE_SECONDS + 1
    street.patrol.round()

    assert street.orders.order(order_id).status == "cancelled"
    wait_until(lambda: street.network.refunded == street.network.taken, "refunded")
    # Found again after all: nothing comes of it, and no goods are kept for it.
    before = street.in_stock()
    street.broker.lose = ""
    reserved: list[Event] = []
    collect(street.broker, events.INVENTORY, reserved)
    street.broker.publish(events.PAYMENTS, street.broker.lost[0])
    wait_until(lambda: len(reserved) == 1, "reserved")
    wait_until(lambda: street.in_stock() == before, "released")
    assert street.orders.order(order_id).status == "cancelled"
    assert street.network.kept() == set()


def test_an_order_that_was_never_asked_for_in_time_takes_no_money_later(street: Street) -> None:
    # Nobody receives anything until after the deadline.
    before = street.in_stock()
    reserved: list[Event] = []
    collect(street.broker, events.INVENTORY, reserved)
    order_id = street.order(1, "card-1")
    street.now += OVERDUE_SECONDS + 1
    street.patrol.round()
    assert street.orders.order(order_id).status == "cancelled"

    street.broker.start()
    wait_until(lambda: street.network.refunded == [f"charge-of-{order_id}"], "given back")
    wait_until(lambda: len(reserved) == 1, "reserved, for the payment was told of before")
    wait_until(lambda: street.in_stock() == before, "released")
    assert street.network.kept() == set()


def test_a_refund_that_the_card_network_did_not_hear_of_is_given_later(street: Street) -> None:
    street.broker.lose = events.INVENTORY_REJECTED
    street.broker.start()
    with street.databases[2].transaction() as transaction:
        transaction.execute("UPDATE products SET in_stock = 1 WHERE sku = 'sku-1'")
    order_id = street.order(2, "card-1")
    wait_until(lambda: len(street.broker.lost) == 1, "rejected")

    street.network.is_silent = True
    street.broker.lose = ""
    dead: list[Event] = []
    collect(street.broker, f"{events.INVENTORY}.dead", dead)
    street.broker.publish(events.INVENTORY, street.broker.lost[0])
    street.wait(order_id, "cancelled")
    wait_until(lambda: len(dead) == 1, "payment-service tries no more")
    assert street.network.kept() == {f"charge-of-{order_id}"}

    street.network.is_silent = False
    street.now += PROMISED_SECONDS + 1
    street.settling.round()
    assert street.network.kept() == set()
