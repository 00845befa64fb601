"""The choreography: order-, payment- and inventory-service move an order on by events alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shop import events
from shop.chassis.database import SqlDatabase
from shop.chassis.errors import PaymentDeclined
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
from shop.order.logic import OrderLogic
from shop.order.tables import SCHEMA
from shop.payment import consumers as payment_consumers
from shop.payment import tables as payment_tables
from shop.payment.card_network import Authorisation
from shop.payment.logic import PaymentLogic
from tests.shop.inventory.stage import collect, wait_until
from tests.shop.order.world import Switches, World


class CardNetwork:
    """Takes the money of every card that is not declined."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refunded: list[str] = []

    def authorise(
        self, card_token: str, amount_cents: int, currency: str, idempotency_key: str
    ) -> Authorisation:
        if card_token.startswith("declined"):
            raise PaymentDeclined("the card was declined")
        self.taken.append(idempotency_key)
        return Authorisation(id=f"of-{idempotency_key}")

    def refund(self, authorisation_id: str, amount_cents: int, idempotency_key: str) -> None:
        self.refunded.append(authorisation_id.removeprefix("of-"))


class Street:
    """Three services with a database each and a broker between them."""

    def __init__(self, folder: Path) -> None:
        faults, world = Switches(), World()
        self.broker = BrokerEvents(LocalTransport())
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
        payment = PaymentLogic(payments, self.network)
        self.orders = OrderLogic(
            orders,
            self.broker,
            payments=payment,
            inventory=self.inventory,
            shipping=world,
            users=world,
            faults=faults,
            owner="order-service-1",
        )
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
