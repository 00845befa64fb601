"""The contract of order-service over HTTP, from its client to its logic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shop.chassis.caller import HttpCaller
from shop.chassis.errors import CircuitOpen, Conflict, NotFound
from shop.chassis.ports import CallPolicy
from shop.order.api import api
from shop.order.client import OrderClient
from tests.shop.calls.servers import Here, serving, shop_app
from tests.shop.order.world import REQUEST, Scene, scene


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


@pytest.fixture
def address(shop: Scene) -> Iterator[str]:
    app = shop_app()
    app.include_router(api(shop.logic))
    with serving(app) as address:
        yield address


@pytest.fixture
def client(address: str) -> Iterator[OrderClient]:
    caller = HttpCaller("order-service", CallPolicy(max_attempts=1), Here(address))
    yield OrderClient(caller)
    caller.close()


@pytest.fixture
def raw(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{address}") as client:
        yield client


def test_the_client_keeps_the_contract(client: OrderClient) -> None:
    checked_out = client.checkout("user-1", REQUEST, "key-1")
    pending = client.quick_order("user-1", REQUEST, "key-2")

    assert (checked_out.status, pending.status) == ("confirmed", "pending")
    assert client.checkout("user-1", REQUEST, "key-1") == checked_out
    assert client.order(pending.order_id) == pending
    assert {order.order_id for order in client.orders_of("user-1", 10)} == {
        checked_out.order_id,
        pending.order_id,
    }
    assert client.orders_of("user-2", 10) == []


def test_errors_arrive_as_what_they_are(client: OrderClient, shop: Scene) -> None:
    client.quick_order("user-1", REQUEST, "key-1")
    shop.world.fails["charge"] = CircuitOpen("payment-service", "it is open")

    with pytest.raises(Conflict):
        client.checkout("user-1", REQUEST, "key-1")
    with pytest.raises(NotFound):
        client.order("order-0")
    with pytest.raises(CircuitOpen) as refusal:
        client.checkout("user-1", REQUEST, "key-2")
    assert refusal.value.dependency == "payment-service"


def test_an_order_of_somebody_else_does_not_exist(raw: httpx.Client, client: OrderClient) -> None:
    order = client.quick_order("user-1", REQUEST, "")

    found = [
        raw.get(f"/v1/orders/{order.order_id}", headers=headers).status_code
        for headers in ({}, {"x-user-id": "user-1"}, {"x-user-id": "user-2"})
    ]

    assert found == [200, 200, 404]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, {"lines": [{"sku": "sku-1", "quantity": 1}], "card_token": "card"}),
        ({"x-user-id": "user-1"}, {"lines": [], "card_token": "card"}),
        ({"x-user-id": "user-1"}, {"lines": [{"sku": "sku-1", "quantity": 0}], "card_token": "c"}),
        ({"x-user-id": "user-1"}, {"lines": [{"sku": "sku-1", "quantity": 1}]}),
    ],
    ids=["nobody", "nothing", "none of it", "no card"],
)
def test_a_request_without_sense_is_refused(
    raw: httpx.Client, shop: Scene, headers: dict[str, str], body: dict[str, object]
) -> None:
    for path in ("/v1/orders", "/v1/quick-orders"):
        answer = raw.post(path, headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert shop.world.calls == []
