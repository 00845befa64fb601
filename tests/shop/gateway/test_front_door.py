"""What the door does with bodies, errors and orders."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from shop.chassis.process import HttpServer, listen_on
from shop.gateway.front_door import LARGEST_BODY_BYTES, FrontDoor
from shop.gateway.operations import Operations
from shop.gateway.rate_limit import RateLimit
from shop.gateway.routing import PREFIX, ROUTES, is_open
from shop.gateway.tokens import Verifier
from tests.shop.calls.seen import Seen
from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.gateway.door import SECRET, bearer

ORDER = {"lines": [{"sku": "sku-1", "quantity": 2}], "card_token": "card-user-1"}


def test_the_table_has_a_row_for_every_operation_and_route(door: httpx.Client) -> None:
    served = {
        (method.upper(), path)
        for path, methods in door.get("/openapi.json").json()["paths"].items()
        for method in methods
    }
    assert {(route.method, PREFIX + route.path) for route in ROUTES} == served
    operations = {name for name in vars(Operations) if not name.startswith("_")}
    assert {route.operation.__name__ for route in ROUTES} == operations


def test_health_is_open_and_not_counted(door: httpx.Client) -> None:
    answer = door.get("/openapi.json")
    assert answer.status_code == 200
    assert "ratelimit-limit" not in answer.headers


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
def test_a_body_that_is_too_large_is_turned_away(
    door: httpx.Client, shop: Shop, is_chunked: bool
) -> None:
    body = b" " * (LARGEST_BODY_BYTES + 1)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(body), 8192):
            yield body[start : start + 8192]

    answer = door.post("/api/v1/orders", content=chunks() if is_chunked else body, headers=bearer())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert shop.keys == []


def test_a_refused_visitor_is_answered_before_the_body_came(door: httpx.Client) -> None:
    address = urlsplit(str(door.base_url))
    with socket.create_connection((str(address.hostname), int(address.port or 0)), 5) as raw:
        raw.sendall(b"POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_a_body_that_makes_no_sense_is_a_problem_that_names_the_field(door: httpx.Client) -> None:
    answer = door.post(
        "/api/v1/orders",
        json={**ORDER, "lines": [{"sku": "sku-1", "quantity": 0}]},
        headers=bearer(),
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.lines.0.quantity"


def test_an_order_is_placed_for_whom_the_token_names(door: httpx.Client, shop: Shop) -> None:
    answer = door.post(
        "/api/v1/orders", json=ORDER, headers={**bearer("user-3"), "idempotency-key": "key-1"}
    )
    assert answer.status_code == 201
    assert (answer.json()["user_id"], answer.json()["status"]) == ("user-3", "confirmed")
    quick = door.post("/api/v1/quick-orders", json=ORDER, headers=bearer("user-3"))
    assert (quick.status_code, quick.json()["status"]) == (202, "pending")
    assert shop.keys[0] == "key-1"
    assert len(shop.keys[1]) == 32  # made here, so that the gateway itself may send it again
    listed = door.get("/api/v1/orders", headers=bearer("user-3")).json()
    assert [order["order_id"] for order in listed] == ["order-1", "order-2"]


def test_nobody_sees_the_order_of_somebody_else(door: httpx.Client) -> None:
    placed = door.post("/api/v1/orders", json=ORDER, headers=bearer("user-3")).json()
    path = f"/api/v1/orders/{placed['order_id']}"
    assert door.get(path, headers=bearer("user-3")).status_code == 200
    theirs = door.get(path, headers=bearer("user-4"))
    unknown = door.get("/api/v1/orders/order-99", headers=bearer("user-4"))
    assert (theirs.status_code, unknown.status_code) == (404, 404)


def test_an_error_behind_the_door_comes_out_as_it_was(door: httpx.Client, shop: Shop) -> None:
    missing = door.get("/api/v1/products/sku-none", headers=bearer())
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    shop.down.add("order-service")
    failed = door.post("/api/v1/orders", json=ORDER, headers=bearer())
    assert failed.status_code == 503
    assert failed.json()["dependency"] == "order-service"
    assert failed.headers["x-request-id"]


def _knock(method: str, headers: dict[str, str], seen: Seen, sends_body: bool = True) -> int:
    """The status that a door in front of nothing gives; without a body it is waited for."""
    answers: list[Message] = []

    async def receive() -> Message:
        if not sends_body:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    door = FrontDoor(
        nothing,
        Verifier(SECRET),
        RateLimit("1/minute"),
        is_open,
        body_seconds=0.01,
        meter_provider=seen.meter_provider,
    )
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": "/api/v1/products",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(door(scope, receive, send))
    return int(answers[0]["status"])


def test_a_body_that_does_not_come_is_not_waited_for_and_refusals_are_counted() -> None:
    seen = Seen()
    assert _knock("GET", bearer(), seen) == 204
    assert _knock("GET", {}, seen) == 401
    assert _knock("POST", bearer(), seen, sends_body=False) == 408
    assert seen.points("shop.gateway.rejected") == {
        (("http.request.method", "GET"), ("reason", "unauthorized")): 1,
        (("http.request.method", "POST"), ("reason", "body_too_slow")): 1,
    }
    seen.close()


def test_the_contract_says_which_routes_need_a_token(door: httpx.Client) -> None:
    contract = door.get("/openapi.json").json()
    open_routes = {
        (method.upper(), path)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
        if "security" not in operation
    }
    assert open_routes == {("POST", "/api/v1/login")}
    assert contract["components"]["securitySchemes"]["HTTPBearer"]["bearerFormat"] == "JWT"


def test_no_answer_waits_for_the_acknowledgement_of_its_headers() -> None:
    listener = listen_on("127.0.0.1:0")
    HttpServer(FastAPI(), listener)
    with socket.create_connection(listener.getsockname(), 5):
        connection, _ = listener.accept()
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()
    listener.close()
