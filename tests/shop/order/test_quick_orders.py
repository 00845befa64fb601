"""Quick orders: what events make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from shop import events
from shop.chassis.local_events import LocalTransport
from shop.chassis.messaging import BrokerEvents
from shop.chassis.ports import Event
from shop.order.consumers import subscribe
from shop.order.contract import Order
from shop.order.logic import OVERDUE_SECONDS
from shop.order.patrol import Patrol
from tests.shop.inventory.stage import wait_until
from tests.shop.order.world import REQUEST, Scene, scene


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def about(order: Order, **more: Any) -> Mapping[str, Any]:
    ids = {"order_id": order.order_id, "user_id": order.user_id, "saga_id": order.saga_id}
    return ids | more


@pytest.mark.parametrize("heard", list(permutations(["paid", "reserved"])))
def test_an_order_is_confirmed_when_it_is_paid_and_reserved_in_either_order(
    shop: Scene, heard: tuple[str, str]
) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")
    hear: dict[str, Callable[[Mapping[str, Any]], None]] = {
        "paid": shop.logic.hear_paid,
        "reserved": shop.logic.hear_reserved,
    }

    hear[heard[0]](about(order))
    hear[heard[0]](about(order))  # twice the same is not both
    assert shop.logic.order(order.order_id).status == "pending"
    hear[heard[1]](about(order))
    hear[heard[1]](about(order))

    assert shop.logic.order(order.order_id).status == "confirmed"
    (confirmed,) = shop.world.told(events.ORDER_CONFIRMED)
    assert confirmed.data["saga_id"] == order.saga_id
    assert confirmed.data["lines"] == [{"sku": "sku-1", "quantity": 2}]


def test_what_is_decided_stays_decided(shop: Scene) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")

    shop.logic.hear_failed(about(order, failure="no money"))
    shop.logic.hear_failed(about(order, failure="no stock"))
    shop.logic.hear_paid(about(order))
    shop.logic.hear_reserved(about(order))

    found = shop.logic.order(order.order_id)
    assert (found.status, found.failure) == ("cancelled", "no money")
    assert len(shop.world.told(events.ORDER_CANCELLED)) == 1
    assert shop.world.told(events.ORDER_CONFIRMED) == []


def test_events_do_not_move_an_order_that_a_saga_conducts(shop: Scene) -> None:
    def told_by_mistake() -> None:
        (row,) = shop.rows("SELECT order_id, user_id, saga_id FROM orders")
        shop.logic.hear_paid(row)
        shop.logic.hear_reserved(row)
        assert shop.logic.order(row["order_id"]).status == "pending"

    shop.world.before["ship"] = told_by_mistake

    assert shop.logic.checkout("user-1", REQUEST, "").status == "confirmed"


def test_an_event_about_an_order_nobody_knows_changes_nothing(shop: Scene) -> None:
    stranger = {"order_id": "order-0", "user_id": "user-1", "saga_id": "saga-0"}

    shop.logic.hear_paid(stranger)
    shop.logic.hear_failed(stranger)

    assert shop.world.published == []


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (
            [
                (events.PAYMENTS, events.PAYMENT_COMPLETED),
                (events.INVENTORY, events.INVENTORY_RESERVED),
            ],
            "confirmed",
        ),
        ([(events.PAYMENTS, events.PAYMENT_FAILED)], "cancelled"),
        (
            [
                (events.PAYMENTS, events.PAYMENT_COMPLETED),
                (events.INVENTORY, events.INVENTORY_REJECTED),
            ],
            "cancelled",
        ),
    ],
)
def test_order_service_listens_to_payments_and_stock(
    shop: Scene, told: list[tuple[str, str]], status: str
) -> None:
    broker = BrokerEvents(LocalTransport())
    subscribe(broker, shop.logic)
    broker.start()
    try:
        order = shop.logic.quick_order("user-1", REQUEST, "")
        # Of no concern here, and to be passed over.
        broker.publish(
            events.PAYMENTS, Event(events.PAYMENT_REFUNDED, order.order_id, about(order))
        )
        for topic, type in told:
            broker.publish(topic, Event(type, order.order_id, about(order, failure="why")))
        wait_until(lambda: shop.logic.order(order.order_id).status == status, status)
    finally:
        broker.stop()


def test_an_overdue_order_that_is_reserved_is_confirmed_for_it_must_be_paid(shop: Scene) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")
    shop.logic.hear_reserved(about(order, reservation_id="of-1"))
    shop.now += OVERDUE_SECONDS + 1

    Patrol(shop.logic).round()

    assert shop.logic.order(order.order_id).status == "confirmed"
    (confirmed,) = shop.world.told(events.ORDER_CONFIRMED)
    assert confirmed.data["lines"] == [{"sku": "sku-1", "quantity": 2}]
    assert shop.world.told(events.ORDER_EXPIRED) == []


def test_an_overdue_order_is_cancelled_once_and_its_payment_asked_back(shop: Scene) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")
    shop.logic.hear_paid(about(order))
    shop.now += OVERDUE_SECONDS - 1
    Patrol(shop.logic).round()
    assert shop.logic.order(order.order_id).status == "pending"

    shop.now += 2
    Patrol(shop.logic).round()
    Patrol(shop.logic).round()

    assert shop.logic.order(order.order_id).status == "cancelled"
    (expired,) = shop.world.told(events.ORDER_EXPIRED)
    assert expired.data == about(order)
    assert len(shop.world.told(events.ORDER_CANCELLED)) == 1


def test_an_order_decided_while_the_patrol_looks_stays_as_it_is(shop: Scene) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")
    shop.now += OVERDUE_SECONDS + 1
    (found,) = shop.logic.overdue_orders()
    shop.logic.hear_paid(about(order))
    shop.logic.hear_reserved(about(order))

    shop.logic.end_overdue(found)

    assert shop.logic.order(order.order_id).status == "confirmed"
    assert shop.world.told(events.ORDER_EXPIRED) == []


def test_what_is_reserved_for_a_cancelled_order_is_released(shop: Scene) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")
    reservation = shop.world.reserve(order.order_id, REQUEST.lines, "1")
    shop.logic.hear_failed(about(order, failure="no money"))

    shop.logic.hear_reserved(about(order, reservation_id=reservation.reservation_id))
    shop.logic.hear_reserved(about(order, reservation_id="unknown"))

    assert shop.world.reservations["1"].status == "released"
    assert shop.logic.order(order.order_id).status == "cancelled"


def test_what_a_saga_conducts_is_never_overdue(shop: Scene) -> None:
    def long_after() -> None:
        shop.now += OVERDUE_SECONDS + 1
        assert shop.logic.overdue_orders() == []

    shop.world.before["ship"] = long_after

    assert shop.logic.checkout("user-1", REQUEST, "").status == "confirmed"
