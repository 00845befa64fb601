"""Placing orders: keys, prices, lists, and what is told to others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry import trace

from shop import events
from shop.chassis.errors import (
    Conflict,
    DependencyUnavailable,
    Invalid,
    NotFound,
)
from shop.inventory.contract import Line
from shop.order.contract import OrderRequest
from shop.order.prices import Prices
from shop.order.service import slow_lines
from tests.shop.order.world import REQUEST, STEPS, Scene, World, scene


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def test_the_same_key_gives_the_same_order_and_buys_once(shop: Scene) -> None:
    first = shop.logic.checkout("user-1", REQUEST, "key-1")
    again = shop.logic.checkout("user-1", REQUEST, "key-1")
    of_somebody_else = shop.logic.checkout("user-2", REQUEST, "key-1")

    assert again == first
    assert of_somebody_else.order_id != first.order_id
    assert shop.steps_called().count("charge") == 2


def test_the_same_key_with_another_request_is_a_conflict(shop: Scene) -> None:
    shop.logic.checkout("user-1", REQUEST, "key-1")

    with pytest.raises(Conflict):
        shop.logic.checkout("user-1", REQUEST.model_copy(update={"card_token": "other"}), "key-1")
    with pytest.raises(Conflict):
        shop.logic.quick_order("user-1", REQUEST, "key-1")


def test_without_a_key_every_request_is_an_order(shop: Scene) -> None:
    ids = {shop.logic.quick_order("user-1", REQUEST, "").order_id for _ in range(3)}

    assert len(ids) == 3


def test_a_request_sent_again_meanwhile_waits_for_the_first(shop: Scene) -> None:
    is_shipping, may_ship = threading.Event(), threading.Event()

    def wait() -> None:
        is_shipping.set()
        assert may_ship.wait(10)

    shop.world.before["ship"] = wait
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shop.logic.checkout, "user-1", REQUEST, "key-1")
        assert is_shipping.wait(10)
        second = pool.submit(shop.logic.checkout, "user-1", REQUEST, "key-1")
        assert not second.done()
        may_ship.set()
        assert first.result(10) == second.result(10)

    assert second.result().status == "confirmed"
    assert shop.steps_called()[: len(STEPS)] == list(STEPS)


def test_requests_with_one_key_at_the_same_moment_make_one_order(shop: Scene) -> None:
    together = threading.Barrier(6)

    def checkout() -> str:
        together.wait(10)
        return shop.logic.checkout("user-1", REQUEST, "key-1").order_id

    with ThreadPoolExecutor(6) as pool:
        ids = {future.result(20) for future in [pool.submit(checkout) for _ in range(6)]}

    assert len(ids) == 1
    assert shop.steps_called().count("charge") == 1


@pytest.mark.parametrize(
    ("user_id", "sku", "error"),
    [("user-unknown", "sku-1", NotFound), ("user-1", "sku-unknown", Invalid)],
)
def test_an_unknown_user_or_product_is_refused_before_anything_is_written(
    shop: Scene, user_id: str, sku: str, error: type[Exception]
) -> None:
    request = OrderRequest(lines=[Line(sku=sku, quantity=1)], card_token="card-1")

    with pytest.raises(error):
        shop.logic.checkout(user_id, request, "")

    assert shop.rows("SELECT order_id FROM orders") == []
    assert shop.steps_called() == []


def test_an_order_that_nobody_placed_is_not_found(shop: Scene) -> None:
    with pytest.raises(NotFound):
        shop.logic.order("order-0")


def test_orders_are_listed_newest_first_with_their_lines_from_one_query(shop: Scene) -> None:
    skus = ["sku-1", "sku-2", "sku-3"]
    for sku in skus:
        lines = [Line(sku=sku, quantity=1), Line(sku="sku-9", quantity=2)]
        shop.logic.quick_order("user-1", OrderRequest(lines=lines, card_token="card-1"), "")
        shop.now += 1
    before = len(shop.spans.all())

    orders = shop.logic.orders_of("user-1", 2)

    assert [order.lines[0].sku for order in orders] == ["sku-3", "sku-2"]
    assert [len(order.lines) for order in orders] == [2, 2]
    assert shop.spans.names()[before:] == ["SELECT orders", "SELECT order_lines"]
    assert shop.logic.orders_of("user-2", 2) == []


def test_with_the_fault_the_lines_of_each_order_are_asked_for_alone_and_slowly(
    shop: Scene,
) -> None:
    for _ in range(4):
        shop.logic.quick_order("user-1", REQUEST, "")
    healthy = shop.logic.orders_of("user-1", 10)
    slow_lines(shop.database, shop.faults)
    shop.faults.on["order-n-plus-one"] = {"milliseconds_per_query": 5}
    before = len(shop.spans.all())

    assert shop.logic.orders_of("user-1", 10) == healthy
    queries = shop.spans.all()[before:]
    assert [span.name for span in queries] == ["SELECT orders"] + ["SELECT order_lines"] * 4
    for span in queries[1:]:
        assert (span.end_time or 0) - (span.start_time or 0) >= 5_000_000


def test_the_order_of_a_quick_order_is_announced_with_all_that_others_need(shop: Scene) -> None:
    order = shop.logic.quick_order("user-1", REQUEST, "")

    ((topic, event),) = shop.world.published
    assert (topic, event.type, event.key) == (events.ORDERS, events.ORDER_CREATED, order.order_id)
    assert dict(event.data) == {
        "order_id": order.order_id,
        "user_id": "user-1",
        "saga_id": order.saga_id,
        "total_cents": 500,
        "currency": "EUR",
        "card_token": "card-1",
        "lines": [{"sku": "sku-1", "quantity": 2}],
    }


def test_an_event_that_the_broker_does_not_take_waits_and_keeps_its_trace(shop: Scene) -> None:
    away = DependencyUnavailable("broker", "away")
    shop.world.fails[events.ORDER_CREATED] = [away, away, None]
    tracer = shop.spans.provider.get_tracer("test")
    seen: list[int] = []

    with tracer.start_as_current_span("request") as request:
        order = shop.logic.quick_order("user-1", REQUEST, "")
    assert shop.logic.outbox.sweep() == 0, "too young to be somebody's leftover"
    shop.now += 5
    assert shop.logic.outbox.sweep() == 0, "the broker is still away"

    def note() -> None:
        seen.append(trace.get_current_span().get_span_context().trace_id)

    shop.world.before[events.ORDER_CREATED] = note
    assert shop.logic.outbox.sweep() == 1
    assert [event.key for event in shop.world.told(events.ORDER_CREATED)] == [order.order_id]
    assert seen == [request.get_span_context().trace_id]
    assert shop.logic.outbox.sweep() == 0, "published once"


def test_an_event_published_by_a_process_that_died_then_comes_again_with_its_id(
    shop: Scene,
) -> None:
    shop.logic.quick_order("user-1", REQUEST, "")
    ((_, event),) = shop.world.published
    with shop.database.transaction() as transaction:
        shop.logic.outbox.store(transaction, events.ORDERS, event.type, event.key, event.data)
        transaction.execute("UPDATE order_outbox SET event_id = :id", id=event.event_id)
    shop.now += 5

    shop.logic.outbox.sweep()

    first, second = shop.world.told(events.ORDER_CREATED)
    assert first == second


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world_and_prices() -> Iterator[tuple[World, Prices, Clock]]:
    world, clock = World(), Clock()
    prices = Prices(world, fresh_seconds=2, stale_seconds=300, clock=clock)
    yield world, prices, clock
    prices.close()


LINES = [Line(sku="sku-1", quantity=1), Line(sku="sku-2", quantity=3)]


def test_prices_are_asked_for_once_in_a_while(
    world_and_prices: tuple[World, Prices, Clock],
) -> None:
    world, prices, clock = world_and_prices

    for seconds in (0.0, 1.9, 2.1):
        clock.now = seconds
        quote = prices.quote(LINES)
        assert (quote.total_cents, quote.currency, quote.is_from_cache) == (1000, "EUR", False)

    assert world.calls == ["product"] * 4


def test_while_inventory_is_away_the_last_price_is_good_enough_for_a_time(
    world_and_prices: tuple[World, Prices, Clock],
) -> None:
    world, prices, clock = world_and_prices
    prices.quote(LINES)
    world.fails["product"] = DependencyUnavailable("inventory-service", "away")

    clock.now = 299
    quote = prices.quote(LINES)
    assert (quote.total_cents, quote.is_from_cache) == (1000, True)

    clock.now = 301
    with pytest.raises(DependencyUnavailable):
        prices.quote(LINES)


def test_prices_are_asked_for_at_the_same_time(
    world_and_prices: tuple[World, Prices, Clock],
) -> None:
    world, prices, _ = world_and_prices
    together = threading.Barrier(2)

    # With one call after the other, the first would wait for the second for ever.
    def meet() -> None:
        together.wait(10)

    world.before["product"] = meet

    assert prices.quote(LINES).total_cents == 1000
