"""The monolith: the same shop in one process, with the same answers and the same shape of trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop.monolith import NAME, build
from shop.outside import outside_app
from tests.shop.gateway.recorded import Recorded, attributes, recorded
from tests.shop.inventory.stage import Stage, staged, wait_until

SECRET = "a secret of thirty-two bytes or more"
ORDER = {
    "lines": [{"sku": "sku-1", "quantity": 2}, {"sku": "sku-7", "quantity": 1}],
    "card_token": "card-user-5",
}


@pytest.fixture
def spans() -> Iterator[Recorded]:
    with recorded() as seen:
        yield seen


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def shop(stage: Stage) -> Iterator[httpx.Client]:
    """A visitor who is logged in as user-5."""
    stage.serve(outside_app(wait=lambda seconds: None), "card-network", "carrier", "mail-relay")
    stage.start(build, NAME, jwt_secret=SECRET, database_pool_size=10)
    (instance,) = stage.held.discovery.instances(NAME)
    with httpx.Client(base_url=f"http://{instance.http}/api/v1", trust_env=False) as client:
        credentials = {"email": "user-5@shop.example", "password": "user-5-password"}
        token = client.post("/login", json=credentials).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def _settled(shop: httpx.Client, order: dict[str, Any]) -> dict[str, Any]:
    """The order once it is no longer pending."""
    seen: list[dict[str, Any]] = []

    def is_settled() -> bool:
        seen.append(shop.get(f"/orders/{order['order_id']}").json())
        return bool(seen[-1]["status"] != "pending")

    wait_until(is_settled, "the order is settled")
    return seen[-1]


def test_a_checkout_goes_through_all_services_in_one_process(
    shop: httpx.Client, spans: Recorded
) -> None:
    before = shop.get("/products/sku-1").json()["in_stock"]
    answer = shop.post("/orders", json=ORDER, headers={"idempotency-key": "key-1"})
    assert answer.status_code == 201, answer.text
    order = answer.json()
    assert (order["status"], order["user_id"]) == ("confirmed", "user-5")
    assert shop.get("/products/sku-1").json()["in_stock"] == before - 2
    again = shop.post("/orders", json=ORDER, headers={"idempotency-key": "key-1"}).json()
    assert again["order_id"] == order["order_id"]

    root = spans.wait("POST /api/v1/orders")[0]
    steps = {span.name: span for span in spans.trace_of(root)}
    assert {
        "order-service.checkout",
        "saga checkout",
        "saga step charge",
        "payment-service.charge",
        "saga step reserve",
        "inventory-service.reserve",
        "saga step ship",
        "shipping-service.schedule",
    } <= steps.keys()
    assert attributes(steps["saga checkout"])["saga.outcome"] == "completed"
    # No call leaves the process but those to third parties.
    called = {
        attributes(span).get("server.address")
        for span in spans.trace_of(root)
        if span.kind.name == "CLIENT" and "db.system.name" not in attributes(span)
    }
    assert called == {"card-network", "carrier", "mail-relay"} & called
    assert {"card-network", "carrier"} <= called
    # One database serves all.
    namespaces = {
        attributes(span)["db.namespace"]
        for span in spans.trace_of(root)
        if "db.namespace" in attributes(span)
    }
    assert namespaces == {"monolith"}


def test_a_declined_card_cancels_the_order_and_gives_the_stock_back(shop: httpx.Client) -> None:
    before = shop.get("/products/sku-1").json()["in_stock"]
    order = shop.post("/orders", json={**ORDER, "card_token": "declined-user-5"}).json()
    assert order["status"] == "cancelled"
    assert order["failure"]
    assert shop.get("/products/sku-1").json()["in_stock"] == before


def test_a_quick_order_is_carried_on_by_events_in_memory(
    shop: httpx.Client, spans: Recorded
) -> None:
    answer = shop.post("/quick-orders", json=ORDER)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert _settled(shop, answer.json())["status"] == "confirmed"
    root = spans.wait("POST /api/v1/quick-orders")[0]
    wait_until(
        lambda: (
            {"process orders", "process payments", "process inventory"}
            <= {span.name for span in spans.trace_of(root)}
        ),
        "the events are in the trace of the request",
    )


def test_the_home_page_learns_from_what_was_bought(shop: httpx.Client) -> None:
    page = shop.get("/home").json()
    assert page["fallbacks"] == []
    assert page["user"]["tier"] == "gold"
    placed = shop.post(
        "/orders", json={**ORDER, "lines": [{"sku": "sku-40", "quantity": 5}]}
    ).json()
    wait_until(
        lambda: shop.get("/home").json()["recommendations"]["items"][0]["sku"] == "sku-40",
        "sku-40 is recommended",
    )
    # Before the orders of the months before.
    newest = shop.get("/home").json()["orders"][0]
    assert (newest["order_id"], newest["status"]) == (placed["order_id"], "confirmed")


def test_faults_of_the_business_code_work_here_too(
    stage: Stage, shop: httpx.Client, spans: Recorded
) -> None:
    stage.break_it("payment-slow-query", seconds=0.2)
    assert shop.post("/orders", json=ORDER).json()["status"] == "confirmed"
    root = spans.wait("POST /api/v1/orders")[0]
    (query,) = [span for span in spans.trace_of(root) if span.name == "SELECT card_history"]
    assert (query.end_time or 0) - (query.start_time or 0) >= 0.2e9
    stage.mend()
    stage.break_it("saga-ship-fails")
    order = shop.post("/orders", json=ORDER).json()
    assert (order["status"], bool(order["failure"])) == ("cancelled", True)
    failed = spans.wait("POST /api/v1/orders", 2)[1]
    assert {"saga compensate charge", "payment-service.refund", "inventory-service.release"} <= {
        span.name for span in spans.trace_of(failed)
    }


def test_faults_between_services_change_nothing(stage: Stage, shop: httpx.Client) -> None:
    stage.break_it("gateway-deep-chain")
    assert shop.get("/home").json()["fallbacks"] == []
