"""order-service on PostgreSQL: the same statements, another database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shop import events
from shop.chassis.errors import CircuitOpen, DependencyError
from tests.shop.database.postgres import postgres_server
from tests.shop.order.world import REQUEST, Scene, scene

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def shop(tmp_path: Path, url: str) -> Iterator[Scene]:
    with scene(tmp_path, url) as made:
        made.rows("DROP TABLE orders, order_lines, sagas, order_outbox")
    with scene(tmp_path, url) as made:
        yield made


def test_orders_of_both_kinds_come_to_their_end(shop: Scene) -> None:
    confirmed = shop.logic.checkout("user-1", REQUEST, "")
    shop.now += 1
    quick = shop.logic.quick_order("user-1", REQUEST, "")
    about = {"order_id": quick.order_id, "user_id": "user-1", "saga_id": quick.saga_id}
    shop.logic.hear_paid(about)
    shop.logic.hear_reserved(about)
    shop.now += 1
    shop.world.fails["ship"] = DependencyError("carrier", "x")
    cancelled = shop.logic.checkout("user-1", REQUEST, "")

    found = shop.logic.orders_of("user-1", 10)

    assert [order.order_id for order in found] == [
        cancelled.order_id,
        quick.order_id,
        confirmed.order_id,
    ]
    assert [order.status for order in found] == ["cancelled", "confirmed", "confirmed"]
    assert [order.lines for order in found] == [REQUEST.lines] * 3
    assert shop.logic.outbox.sweep(-1.0) == 0


def test_a_refusal_sets_its_key_free(shop: Scene) -> None:
    shop.world.fails["charge"] = [CircuitOpen("payment-service", "open"), None]
    with pytest.raises(CircuitOpen):
        shop.logic.checkout("user-1", REQUEST, "key-1")

    assert shop.logic.checkout("user-1", REQUEST, "key-1").status == "confirmed"


def test_requests_with_one_key_at_the_same_moment_make_one_order(shop: Scene) -> None:
    together = threading.Barrier(4)

    def checkout() -> str:
        together.wait(10)
        return shop.logic.checkout("user-1", REQUEST, "key-1").order_id

    with ThreadPoolExecutor(4) as pool:
        ids = {future.result(20) for future in [pool.submit(checkout) for _ in range(4)]}

    assert len(ids) == 1
    assert shop.steps_called().count("charge") == 1


def test_an_abandoned_saga_is_recovered_once(shop: Scene) -> None:
    def gone() -> None:
        raise SystemExit

    shop.world.before["reserve"] = gone
    with pytest.raises(SystemExit):
        shop.logic.checkout("user-1", REQUEST, "")
    shop.world.before.clear()
    other = shop.instance("order-service-2")
    shop.now += 1000

    (saga_id,) = other.abandoned_sagas(of_owner=False)
    outcomes = [other.recover(saga_id), shop.logic.recover(saga_id)]
    other.close()

    assert outcomes == ["compensated", ""]
    assert len(shop.world.told(events.ORDER_CANCELLED)) == 1
