"""What goes on behind the door, and what comes back out."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from shop.gateway.service import build
from shop.gateway.transform import ForwardingCaller, forwarded, request_id_of, take_in_hand
from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.gateway.door import SECRET, bearer
from tests.shop.gateway.recorded import Recorded, id_of
from tests.shop.inventory.stage import Stage, wait_until

INCOMING = {
    "authorization": "Bearer secret",
    "cookie": "session=secret",
    "connection": "keep-alive, X-Only-Here",
    "x-only-here": "1",
    "transfer-encoding": "chunked",
    "content-length": "10",
    "host": "api.shop.example",
    "x-user-id": "user-1-of-somebody-else",
    "traceparent": "00-0-0-00",
    "baggage": "saga.id=forged",
    "accept-language": "de",
}


def test_only_what_services_may_see_goes_on() -> None:
    assert forwarded(INCOMING, "id-1", "user-7") == {
        "accept-language": "de",
        "x-request-id": "id-1",
        "x-user-id": "user-7",
    }


def test_a_visitor_without_a_name_cannot_bring_one() -> None:
    assert "x-user-id" not in forwarded({"x-user-id": "user-1"}, "id-1", "")


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "line\nbreak", "ünicode"])
def test_a_request_id_that_cannot_be_printed_anywhere_is_replaced(given: str) -> None:
    made = request_id_of({"x-request-id": given})
    assert made != given
    assert request_id_of({"x-request-id": made}) == made


class Recorder:
    """A `Caller` that remembers the headers it was given."""

    def __init__(self) -> None:
        self.headers: list[Mapping[str, str] | None] = []

    def request(self, *_: Any, headers: Mapping[str, str] | None = None, **__: Any) -> Any:
        self.headers.append(headers)
        return httpx.Response(200)


def test_calls_carry_the_headers_of_their_own_request() -> None:
    recorder = Recorder()
    caller = ForwardingCaller(recorder)

    def handle(request_id: str) -> None:
        take_in_hand({"x-request-id": request_id, "x-user-id": "user-1"})
        caller.request("GET", "/", headers={"X-User-Id": "user-2"})

    for request_id in ("a", "b"):
        contextvars.copy_context().run(handle, request_id)
    caller.request("GET", "/")
    assert recorder.headers == [
        {"x-request-id": "a", "x-user-id": "user-2"},
        {"x-request-id": "b", "x-user-id": "user-2"},
        {},
    ]


@pytest.fixture
def behind(stage: Stage) -> list[dict[str, str]]:
    """The headers that arrive at a service behind the gateway."""
    arrived: list[dict[str, str]] = []
    app = FastAPI()

    @app.get("/v1/products")
    def products(request: Request) -> list[Any]:
        arrived.append(dict(request.headers))
        return []

    stage.serve(app, "inventory-service")
    return arrived


def test_the_header_of_a_real_call_shows_who_asks_and_nothing_secret(
    stage: Stage, behind: list[dict[str, str]], spans: Recorded
) -> None:
    stage.start(build, "gateway", jwt_secret=SECRET)
    (instance,) = stage.held.discovery.instances("gateway")
    answer = httpx.get(
        f"http://{instance.http}/api/v1/products",
        headers={
            **bearer("user-7"),
            "cookie": "a=b",
            "x-user-id": "user-1",
            "x-request-id": "my-id",
            "baggage": "saga.id=forged",
        },
        trust_env=False,
    )
    (headers,) = behind
    assert headers["x-user-id"] == "user-7"
    assert headers["x-request-id"] == "my-id"
    assert not {"authorization", "cookie"} & headers.keys()
    assert "forged" not in headers.get("baggage", "")
    (span,) = spans.wait("GET /api/v1/products")
    trace_id = f"{id_of(span)[0]:032x}"
    assert answer.headers["x-trace-id"] == trace_id
    assert headers["traceparent"].split("-")[1] == trace_id
    assert answer.headers["x-request-id"] == "my-id"


def test_every_request_leaves_one_line_in_the_log_without_its_ids(
    door: httpx.Client, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[tuple[str, str, str]]:
        return [
            (record.levelname, record.getMessage(), record.__dict__["user.id"])
            for record in caplog.records
            if "answered" in record.getMessage()
        ]

    with caplog.at_level(logging.INFO, "shop.gateway"):
        door.get("/api/v1/products/sku-7", headers={**bearer(), "x-request-id": "my-id"})
        shop.down.add("inventory-service")
        door.get("/api/v1/products", headers=bearer())
        # A line is written when the answer has gone out.
        wait_until(lambda: len(lines()) == 2, "both lines are written")
    assert lines() == [
        ("INFO", "GET /api/v1/products/{sku} answered 200", "user-1"),
        ("WARNING", "GET /api/v1/products answered 503", "user-1"),
    ]


@pytest.mark.parametrize("value", ["naïve", "\xff", "a\x01b", " a", "a ", "a\x7f"])
def test_a_header_that_no_client_may_send_stays_behind(value: str) -> None:
    assert "x-note" not in forwarded({"x-note": value, "x-plain": "a b\tc"}, "r", "user-1")


@pytest.mark.parametrize("value", ["", "a", "a b\tc", "(*)/~"])
def test_a_header_of_visible_characters_goes_on(value: str) -> None:
    assert forwarded({"x-note": value}, "r", "user-1")["x-note"] == value


def test_a_real_call_goes_through_without_the_header_that_could_not(
    stage: Stage, behind: list[dict[str, str]]
) -> None:
    stage.start(build, "gateway", jwt_secret=SECRET)
    (instance,) = stage.held.discovery.instances("gateway")
    said = [*bearer().items(), ("x-note", "naïve"), ("x-plain", "kept")]
    answer = httpx.get(
        f"http://{instance.http}/api/v1/products",
        headers=[(name.encode(), value.encode("latin-1")) for name, value in said],
        trust_env=False,
    )
    assert answer.status_code == 200
    assert "x-note" not in behind[0]
    assert behind[0]["x-plain"] == "kept"
