"""shipping-service over HTTP, with a carrier that is a real server, and its detours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse

from shop.chassis.caller import HttpCaller
from shop.chassis.errors import DependencyError, DependencyTimeout, DependencyUnavailable, Invalid
from shop.chassis.ports import CallPolicy
from shop.inventory.contract import Line
from shop.order import tables as order_tables
from shop.order.contract import Order
from shop.outside import outside_app
from shop.shipping.carrier import POLICY, CarrierClient
from shop.shipping.client import ShippingClient
from shop.shipping.service import build
from shop.user.contract import Address
from tests.shop.inventory.stage import Stage, staged, traced

HOME = Address(street="Long Street 1", city="Berlin", country="DE")
LINES = [Line(sku="sku-1", quantity=2)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        made.serve(outside_app(wait=lambda _: None), "carrier")
        yield made


def _orders(asked: list[str], statuses: list[str]) -> FastAPI:
    """An order-service that knows every order, in one status after the other."""
    app = FastAPI()

    @app.get("/v1/orders/{order_id}")
    def order(order_id: str) -> Order:
        asked.append(order_id)
        status = statuses[min(len(asked), len(statuses)) - 1]
        return Order(
            order_id=order_id,
            user_id="user-1",
            saga_id="saga-1",
            status=status,
            lines=LINES,
            total_cents=1530,
        )

    return app


def test_the_client_gets_through_http_what_the_contract_promises(stage: Stage) -> None:
    stage.start(build, "shipping-service")
    shipping = ShippingClient(stage.caller("shipping-service"))
    shipment = shipping.schedule("order-1", HOME, LINES, "key-1")
    assert (shipment.carrier, shipment.tracking_code) == ("Longhaul", "PARCEL-1")
    assert shipping.schedule("order-1", HOME, LINES, "key-1") == shipment
    assert shipping.cancel(shipment.shipment_id).status == "cancelled"
    with pytest.raises(Invalid, match="'AQ'"):
        shipping.schedule("order-2", HOME.model_copy(update={"country": "AQ"}), LINES, "key-2")


def test_the_carrier_is_seen_as_a_call_from_inside_the_request(stage: Stage) -> None:
    with traced() as spans:
        stage.start(build, "shipping-service")
        ShippingClient(stage.caller("shipping-service")).schedule("order-1", HOME, LINES, "key-1")
    [request] = spans.served("POST /v1/shipments")
    [booking] = [one for one in spans.named("POST /carrier/parcels") if one.kind.name == "CLIENT"]
    assert booking.parent is not None
    assert booking.parent.span_id == request.context.span_id
    assert dict(booking.attributes or {})["server.address"] == "carrier"
    assert [dict(one.attributes or {})["db.namespace"] for one in spans.named("INSERT shipments")]


def test_a_refusal_by_the_carrier_reaches_the_caller_as_its_failure(stage: Stage) -> None:
    stage.start(build, "shipping-service")
    stage.break_it("saga-ship-fails")
    caller = HttpCaller("shipping-service", CallPolicy(), stage.held.discovery)
    for n in range(8):
        # Eight in a row: the breaker before shipping-service stays closed, since it did answer.
        with pytest.raises(DependencyError, match="the contract has ended") as raised:
            ShippingClient(caller).schedule(f"order-{n}", HOME, LINES, f"key-{n}")
        assert type(raised.value) is DependencyError
        assert raised.value.dependency == "carrier"
    caller.close()


class SometimesDown:
    """A carrier that fails the first times, and notes the key of every request."""

    def __init__(self, failures: int) -> None:
        self.keys: list[str] = []
        self.app = FastAPI()

        @self.app.post("/carrier/parcels", response_model=None)
        def parcel(idempotency_key: Annotated[str, Header()]) -> JSONResponse:
            self.keys.append(idempotency_key)
            if len(self.keys) <= failures:
                return JSONResponse({"error": "out of order"}, 503)
            return JSONResponse({"carrier": "Slowpoke", "tracking_code": "T-1"}, 201)


def test_a_carrier_that_is_down_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    carrier = SometimesDown(failures=1)
    with staged(tmp_path) as stage:
        stage.serve(carrier.app, "carrier")
        stage.start(build, "shipping-service")
        shipping = ShippingClient(stage.caller("shipping-service"))
        assert shipping.schedule("order-1", HOME, LINES, "key-1").carrier == "Slowpoke"
    assert carrier.keys == ["key-1", "key-1"]


def test_a_carrier_that_stays_down_is_not_asked_for_ever(tmp_path: Path) -> None:
    carrier = SometimesDown(failures=10**6)
    with staged(tmp_path) as stage:
        stage.serve(carrier.app, "carrier")
        stage.start(build, "shipping-service")
        shipping = ShippingClient(stage.caller("shipping-service"))
        refusals = []
        for n in range(6):
            with pytest.raises(DependencyError) as raised:
                shipping.schedule(f"order-{n}", HOME, LINES, f"key-{n}")
            refusals.append(raised.value.code)
    assert refusals[0] == DependencyUnavailable.code
    assert refusals[-1] == "circuit_open"
    assert len(carrier.keys) == POLICY.breaker_failures


def test_a_silent_carrier_costs_no_more_than_two_timeouts(stage: Stage) -> None:
    asked: list[str] = []
    is_over = threading.Event()
    app = FastAPI()

    @app.post("/carrier/parcels")
    def parcel(idempotency_key: Annotated[str, Header()]) -> None:
        asked.append(idempotency_key)
        is_over.wait(20)

    stage.serve(app, "silent-carrier")
    policy = CallPolicy(timeout_seconds=0.1, max_attempts=POLICY.max_attempts)
    try:
        with pytest.raises(DependencyTimeout):
            CarrierClient(stage.caller("silent-carrier", policy)).book(
                "order-1", HOME, LINES, "key-1"
            )
    finally:
        is_over.set()
    assert asked == ["key-1", "key-1"]


def test_a_cycle_asks_about_the_order_that_waits_for_this_very_call(stage: Stage) -> None:
    asked: list[str] = []
    stage.serve(_orders(asked, ["pending"]), "order-service")
    with traced() as spans:
        stage.start(build, "shipping-service")
        shipping = ShippingClient(stage.caller("shipping-service"))
        shipping.schedule("order-1", HOME, LINES, "key-1")
        assert asked == []
        stage.break_it("shipping-cyclic-call", milliseconds=60)
        spans.served("POST /v1/shipments")
        spans.clear()
        assert shipping.schedule("order-2", HOME, LINES, "key-2").status == "scheduled"
    assert asked == ["order-2", "order-2"]
    [request] = spans.served("POST /v1/shipments")
    calls = [one for one in spans.named("GET /v1/orders/{order_id}") if one.kind.name == "CLIENT"]
    assert [one.parent.span_id for one in calls if one.parent] == [request.context.span_id] * 2
    first, second = calls
    assert (second.start_time or 0) - (first.end_time or 0) >= 60_000_000


def test_an_order_that_is_confirmed_already_is_asked_for_once(stage: Stage) -> None:
    asked: list[str] = []
    stage.serve(_orders(asked, ["confirmed"]), "order-service")
    stage.start(build, "shipping-service")
    stage.break_it("shipping-cyclic-call")
    ShippingClient(stage.caller("shipping-service")).schedule("order-1", HOME, LINES, "key-1")
    assert asked == ["order-1"]


def test_a_cycle_whose_other_half_is_away_still_ships(stage: Stage) -> None:
    stage.start(build, "shipping-service")
    stage.break_it("shipping-cyclic-call")
    shipping = ShippingClient(stage.caller("shipping-service"))
    assert shipping.schedule("order-1", HOME, LINES, "key-1").status == "scheduled"


def test_a_shared_database_is_written_past_its_owner(stage: Stage) -> None:
    theirs = stage.chassis("order-service").database(order_tables.SCHEMA)
    with theirs.transaction() as transaction:
        transaction.execute(
            "INSERT INTO orders (order_id, user_id, saga_id, kind, status, total_cents, currency, "
            "idempotency_key, request_digest, created_unix_ms) VALUES ('order-1', 'user-1', "
            "'saga-1', 'checkout', 'pending', 1530, 'EUR', 'key-1', '', 0)"
        )
    with traced() as spans:
        stage.start(
            build,
            "shipping-service",
            order_database_url=f"sqlite:///{stage.folder / 'order.db'}",
        )
        shipping = ShippingClient(stage.caller("shipping-service"))
        shipping.schedule("order-0", HOME, LINES, "key-0")
        assert not spans.named("UPDATE orders")
        stage.break_it("shipping-shared-database")
        shipment = shipping.schedule("order-1", HOME, LINES, "key-1")
        stage.mend()
        shipping.schedule("order-2", HOME, LINES, "key-2")
    [update] = spans.named("UPDATE orders")
    assert dict(update.attributes or {})["db.namespace"] == "order"
    assert dict(update.attributes or {})["db.collection.name"] == "orders"
    assert len(spans.named("SELECT orders")) == 1
    with theirs.transaction() as transaction:
        [row] = transaction.execute("SELECT tracking_code FROM orders")
    assert row["tracking_code"] == shipment.tracking_code
    theirs.close()


def test_without_the_address_of_the_other_database_the_fault_only_logs(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.start(build, "shipping-service")
    stage.break_it("shipping-shared-database")
    shipping = ShippingClient(stage.caller("shipping-service"))
    assert shipping.schedule("order-1", HOME, LINES, "key-1").status == "scheduled"
    assert "SHOP_ORDER_DATABASE_URL is not set" in caplog.text


def test_a_pause_holds_up_all_requests_under_way_together(tmp_path: Path) -> None:
    def until_the_process_stood_still(_: float) -> None:
        # The carrier is a part of this process here, and stands still with it.
        begin = last = time.monotonic()
        while (now := time.monotonic()) - last < 0.25 and now - begin < 10:
            last = now
            time.sleep(0.005)

    with traced() as spans, staged(tmp_path) as stage, ThreadPoolExecutor(2) as pool:
        stage.serve(outside_app(wait=until_the_process_stood_still), "carrier")
        stage.start(build, "shipping-service")
        shipping = ShippingClient(stage.caller("shipping-service"))
        stage.break_it("shipping-pause", seconds=0.3, every_seconds=60)
        list(pool.map(lambda n: shipping.schedule(f"order-{n}", HOME, LINES, f"key-{n}"), "12"))
    one, other = spans.served("POST /v1/shipments")
    shared = min(one.end_time or 0, other.end_time or 0) - max(
        one.start_time or 0, other.start_time or 0
    )
    assert shared > 300_000_000
