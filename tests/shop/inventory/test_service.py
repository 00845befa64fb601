"""inventory-service over HTTP: its routes, its errors, its spans, its answers to payments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from shop import events
from shop.chassis.errors import Conflict, DependencyUnavailable, Invalid, NotFound
from shop.chassis.ports import Event
from shop.inventory.admin import TASKS
from shop.inventory.client import InventoryClient
from shop.inventory.consumers import PaymentConsumer
from shop.inventory.contract import Inventory, Line, Reservation
from shop.inventory.logic import InventoryLogic
from shop.inventory.overload import STORM_REFUSALS, Admission
from shop.inventory.service import build
from shop.inventory.tables import FULL_STOCK, SCHEMA
from tests.shop.inventory.stage import (
    HeardEvents,
    Stage,
    collect,
    delivery,
    staged,
    traced,
    wait_until,
)

LINES = [Line(sku="sku-1", quantity=2)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def inventory(stage: Stage) -> Inventory:
    stage.start(build, "inventory-service")
    return InventoryClient(stage.caller("inventory-service"))


def _paid(order_id: str, quantity: int = 2, sku: str = "sku-1") -> Event:
    return Event(
        type=events.PAYMENT_COMPLETED,
        key=order_id,
        data={
            "order_id": order_id,
            "user_id": "user-1",
            "saga_id": f"saga-of-{order_id}",
            "charge_id": "charge-1",
            "lines": [{"sku": sku, "quantity": quantity}],
        },
    )


def test_the_client_gets_through_http_what_the_contract_promises(inventory: Inventory) -> None:
    assert len(inventory.products(3)) == 3
    assert inventory.product("sku-1").price_cents == 765
    reservation = inventory.reserve("order-1", LINES, "key-1")
    assert inventory.reserve("order-1", LINES, "key-1") == reservation
    assert inventory.product("sku-1").in_stock == FULL_STOCK - 2
    assert inventory.release(reservation.reservation_id).status == "released"
    assert inventory.product("sku-1").in_stock == FULL_STOCK


def test_errors_keep_their_class_over_http(inventory: Inventory) -> None:
    with pytest.raises(NotFound, match="sku-99"):
        inventory.product("sku-99")
    with pytest.raises(NotFound):
        inventory.release("reservation-none")
    inventory.reserve("order-1", LINES, "key-1")
    with pytest.raises(Conflict, match="order-1"):
        inventory.reserve("order-2", LINES, "key-1")


def test_a_reservation_without_a_key_or_lines_is_refused(stage: Stage) -> None:
    stage.start(build, "inventory-service")
    caller = stage.caller("inventory-service")
    with pytest.raises(Invalid):
        caller.request(
            "POST",
            "/v1/reservations",
            json={"order_id": "order-1", "lines": [{"sku": "sku-1", "quantity": 1}]},
        )
    with pytest.raises(Invalid):
        caller.request(
            "POST",
            "/v1/reservations",
            json={"order_id": "order-1", "lines": []},
            idempotency_key="key-1",
        )


def test_spans_are_named_by_route_and_table_and_hang_together(stage: Stage) -> None:
    with traced() as spans:
        stage.start(build, "inventory-service")
        inventory = InventoryClient(stage.caller("inventory-service"))
        reservation = inventory.reserve("order-1", LINES, "key-1")
        inventory.release(reservation.reservation_id)
    [reserve] = spans.served("POST /v1/reservations")
    [insert] = spans.named("INSERT reservations")
    assert insert.parent is not None
    assert insert.parent.span_id == reserve.context.span_id
    assert dict(insert.attributes or {})["db.namespace"] == "inventory"
    assert len(spans.named("UPDATE products")) == 2
    assert spans.served("DELETE /v1/reservations/{reservation_id}")
    # Filling the catalogue at the start is nobody's request.
    assert not spans.named("INSERT products")


def test_a_payment_is_answered_with_a_reservation(stage: Stage) -> None:
    heard: list[Event] = []

    chassis = stage.chassis("inventory-service")
    parts = build(chassis)
    collect(chassis.events, events.INVENTORY, heard)
    chassis.events.start()
    chassis.events.publish(events.PAYMENTS, _paid("order-1"))
    wait_until(lambda: len(heard) == 1, "an answer")
    chassis.events.stop()
    for end in parts.on_stop:
        end()
    [answer] = heard
    assert answer.type == events.INVENTORY_RESERVED
    assert answer.key == "order-1"
    assert answer.data["saga_id"] == "saga-of-order-1"
    assert answer.data["user_id"] == "user-1"
    assert answer.data["reservation_id"].startswith("reservation-")


@pytest.fixture
def stock(stage: Stage) -> Iterator[InventoryLogic]:
    database = stage.chassis("inventory-service").database(SCHEMA)
    yield InventoryLogic(database, stage.held.faults)
    database.close()


def test_a_payment_for_what_is_not_there_is_answered_with_a_rejection(
    stage: Stage, stock: InventoryLogic
) -> None:
    heard = HeardEvents()
    consumer = PaymentConsumer(stock, heard, stage.held.faults)
    consumer.handle(delivery(_paid("order-1", sku="sku-99"), events.PAYMENTS))
    [(topic, answer)] = heard.published
    assert (topic, answer.type) == (events.INVENTORY, events.INVENTORY_REJECTED)
    assert answer.data["charge_id"] == "charge-1"
    assert "sku-99" in answer.data["failure"]


def test_a_failing_reservation_is_a_rejection_that_refunds_not_a_poisoned_event(
    stage: Stage, stock: InventoryLogic
) -> None:
    stage.break_it("saga-reserve-fails")
    heard = HeardEvents()
    PaymentConsumer(stock, heard, stage.held.faults).handle(
        delivery(_paid("order-1"), events.PAYMENTS)
    )
    assert [answer.type for _, answer in heard.published] == [events.INVENTORY_REJECTED]


def test_a_payment_that_is_delivered_twice_reserves_once(
    stage: Stage, stock: InventoryLogic
) -> None:
    heard = HeardEvents()
    consumer = PaymentConsumer(stock, heard, stage.held.faults)
    for attempt in (1, 2):
        consumer.handle(delivery(_paid("order-1"), events.PAYMENTS, attempt))
    assert heard.published[0] == heard.published[1]
    assert stock.product("sku-1").in_stock == FULL_STOCK - 2


def test_what_may_pass_is_left_to_the_next_delivery(stage: Stage) -> None:
    class Away(InventoryLogic):
        def __init__(self) -> None: ...

        def reserve(
            self, order_id: str, lines: Sequence[Line], idempotency_key: str
        ) -> Reservation:
            raise DependencyUnavailable("inventory database", "locked")

    heard = HeardEvents()
    with pytest.raises(DependencyUnavailable):
        PaymentConsumer(Away(), heard, stage.held.faults).handle(
            delivery(_paid("order-1"), events.PAYMENTS)
        )
    assert heard.published == []


def test_a_slow_consumer_takes_its_seconds_for_every_event(
    stage: Stage, stock: InventoryLogic
) -> None:
    slept: list[float] = []
    consumer = PaymentConsumer(stock, HeardEvents(), stage.held.faults, slept.append)
    consumer.handle(delivery(_paid("order-1"), events.PAYMENTS))
    assert slept == []
    stage.break_it("inventory-lag", seconds_per_event=0.7)
    for order in ("order-2", "order-3"):
        consumer.handle(delivery(_paid(order), events.PAYMENTS))
    assert slept == [0.7, 0.7]


def test_an_overloaded_service_turns_away_its_share_and_says_try_again(stage: Stage) -> None:
    draws = iter([0.69, 0.7, 0.1, 0.99])
    admit = Admission(stage.held.faults, lambda: next(draws))
    admit()
    stage.break_it("order-retry-storm", failure_share=0.7)
    refused = []
    for _ in range(4):
        try:
            admit()
        except DependencyUnavailable as error:
            refused.append(error.is_retryable)
    assert refused == [True, True]


def test_a_request_storms_in_the_ledger_from_its_third_refusal(stage: Stage) -> None:
    stage.break_it("order-retry-storm", failure_share=1.0)
    admit = Admission(stage.held.faults)

    for trace_id, calls in ((1, STORM_REFUSALS - 1), (2, STORM_REFUSALS + 1)):
        with trace.use_span(NonRecordingSpan(SpanContext(trace_id, 1, is_remote=False))):
            for _ in range(calls):
                with pytest.raises(DependencyUnavailable):
                    admit()

    assert stage.held.faults.take_noted() == {"order-retry-storm": [f"{2:032x}"]}


def test_the_share_that_is_turned_away_is_503_over_http(stage: Stage, inventory: Inventory) -> None:
    stage.break_it("order-retry-storm", failure_share=1.0)
    with pytest.raises(DependencyUnavailable, match="too many reservations"):
        inventory.reserve("order-1", LINES, "key-1")
    assert inventory.product("sku-1").in_stock == FULL_STOCK


def test_restock_is_a_task_for_an_operator(stage: Stage, stock: InventoryLogic) -> None:
    stock.reserve("order-1", LINES, "key-1")
    assert TASKS["restock"](stage.chassis("inventory-service")) == "restocked 1 products"
    assert stock.product("sku-1").in_stock == FULL_STOCK
