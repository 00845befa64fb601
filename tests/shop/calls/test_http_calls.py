"""HTTP calls: what is sent, what the spans say, and what the failures of a connection become."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from fastapi import Request
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.trace import SpanKind, StatusCode, format_span_id

from shop.chassis.caller import HttpCaller, fill_template
from shop.chassis.errors import DependencyUnavailable, NotFound
from shop.chassis.ports import Caller, CallPolicy
from tests.shop.calls.seen import Seen, attributes
from tests.shop.calls.servers import Here, nobody_listens, patient, serving, shop_app

ONCE = patient(max_attempts=1)


@contextmanager
def calling(address: str, seen: Seen, policy: CallPolicy = ONCE) -> Iterator[HttpCaller]:
    caller = HttpCaller(
        "user-service",
        policy,
        Here(address),
        sleep=lambda _: None,
        tracer_provider=seen.tracer_provider,
        meter_provider=seen.meter_provider,
    )
    try:
        yield caller
    finally:
        caller.close()


@pytest.fixture
def users() -> Iterator[str]:
    """A service that tells what reached it."""
    app = shop_app()

    @app.api_route("/v1/users/{user_id}", methods=["GET", "POST"])
    async def user(user_id: str, request: Request) -> dict[str, object]:
        if user_id == "nobody":
            raise NotFound("there is no user 'nobody'")
        return {
            "user_id": user_id,
            "query": dict(request.query_params),
            "body": (await request.body()).decode(),
            "headers": dict(request.headers),
        }

    with serving(app) as address:
        yield address


def test_a_call_carries_what_it_was_given(users: str, seen: Seen) -> None:
    with calling(users, seen) as http:
        caller: Caller = http
        answer = caller.request(
            "POST",
            "/v1/users/{user_id}",
            params={"user_id": "user 1?", "limit": 3},
            json={"name": "Ada"},
            headers={"x-tier": "gold"},
            idempotency_key="key-1",
        ).json()
    assert answer["user_id"] == "user 1?"
    assert answer["query"] == {"limit": "3"}
    assert answer["body"] == '{"name":"Ada"}'
    assert answer["headers"]["x-tier"] == "gold"
    assert answer["headers"]["idempotency-key"] == "key-1"


def test_a_template_is_filled_safely_and_the_rest_is_the_query() -> None:
    assert fill_template("/v1/users/{user_id}/orders", {"user_id": "a/../b", "limit": 2}) == (
        "/v1/users/a%2F..%2Fb/orders",
        {"limit": 2},
    )
    with pytest.raises(KeyError, match="user_id"):
        fill_template("/v1/users/{user_id}", {})


def test_the_span_is_named_after_the_route_and_says_who_was_called(users: str, seen: Seen) -> None:
    with (
        calling(users, seen) as caller,
        seen.tracer.start_as_current_span("GET /api/v1/home") as home,
    ):
        answer = caller.request("GET", "/v1/users/{user_id}", params={"user_id": "user-1"}).json()
    (span,) = seen.client_spans()
    assert span.name == "GET /v1/users/{user_id}"
    assert span.parent == home.get_span_context()
    expected = {
        "url.template": "/v1/users/{user_id}",
        "server.address": "user-service",
        "service.peer.name": "user-service",
        "peer.service": "user-service",
        "shop.instance.id": "instance-0",
        "shop.instance.version": "1.0.0",
        "circuit_breaker.name": "user-service",
        "circuit_breaker.state": "closed",
    }
    assert {key: attributes(span).get(key) for key in expected} == expected
    assert span.context is not None
    assert answer["headers"]["traceparent"].split("-")[2] == format_span_id(span.context.span_id)


def test_an_error_keeps_its_class_over_the_wire_and_marks_the_span(users: str, seen: Seen) -> None:
    with calling(users, seen) as caller, pytest.raises(NotFound, match="no user 'nobody'"):
        caller.request("GET", "/v1/users/{user_id}", params={"user_id": "nobody"})
    (span,) = seen.client_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_the_duration_of_requests_is_told_by_service_and_route_not_by_address(
    users: str, seen: Seen
) -> None:
    with calling(users, seen) as caller:
        for user_id in ("user-1", "user-2"):
            caller.request("GET", "/v1/users/{user_id}", params={"user_id": user_id})
        with pytest.raises(NotFound):
            caller.request("GET", "/v1/users/{user_id}", params={"user_id": "nobody"})
    with (
        nobody_listens() as address,
        calling(address, seen) as caller,
        pytest.raises(DependencyUnavailable),
    ):
        caller.request("GET", "/v1/users/{user_id}", params={"user_id": "user-1"})
    common = {
        "http.request.method": "GET",
        "server.address": "user-service",
        "url.scheme": "http",
        "url.template": "/v1/users/{user_id}",
    }
    answered = common | {"network.protocol.version": "1.1"}
    found = seen.durations("http.client.request.duration")
    assert {point.count: labels for labels, point in found if point.count > 1} == {
        2: answered | {"http.response.status_code": 200}
    }
    failed = [labels for labels, point in found if point.count == 1]
    assert sorted(failed, key=len) == [
        common | {"error.type": "ConnectError"},
        answered | {"http.response.status_code": 404, "error.type": "404"},
    ]


def test_one_attempt_is_one_span_even_if_httpx_is_instrumented_as_well(
    users: str, seen: Seen
) -> None:
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=seen.tracer_provider)
    try:
        with calling(users, seen) as caller:
            caller.request("GET", "/v1/users/{user_id}", params={"user_id": "user-1"})
    finally:
        instrumentor.uninstrument()
    assert [span.name for span in seen.spans(kind=SpanKind.CLIENT)] == ["GET /v1/users/{user_id}"]


def test_nobody_there_is_unavailable_and_was_never_sent(seen: Seen) -> None:
    with (
        nobody_listens() as address,
        calling(address, seen) as caller,
        pytest.raises(DependencyUnavailable, match=f"user-service at {address} refuses") as caught,
    ):
        caller.request("GET", "/v1/users/{user_id}", params={"user_id": "user-1"})
    assert caught.value.was_never_sent
    assert caught.value.dependency == "user-service"
    (span,) = seen.client_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_a_connection_that_breaks_is_unavailable_but_may_have_been_heard(seen: Seen) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        host, port = listener.getsockname()
        with (
            calling(f"{host}:{port}", seen) as caller,
            pytest.raises(DependencyUnavailable, match="broke the connection") as caught,
        ):
            caller.request("GET", "/v1/users/{user_id}", params={"user_id": "user-1"})
        thread.join()
    assert not caught.value.was_never_sent


def test_the_span_lasts_until_the_whole_answer_is_there(seen: Seen) -> None:
    """Headers first, the body when the test says so: the span must still be open in between."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        spans_before_the_body: list[int] = []

        def answer_in_two_parts() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n12")
                # The second half is sent only after the client had time to see the first one.
                threading.Event().wait(0.2)
                spans_before_the_body.append(len(seen.client_spans()))
                connection.sendall(b"34")

        thread = threading.Thread(target=answer_in_two_parts)
        thread.start()
        host, port = listener.getsockname()
        with calling(f"{host}:{port}", seen) as caller:
            assert caller.request("GET", "/v1/users").text == "1234"
        thread.join()
    assert spans_before_the_body == [0]
    assert len(seen.client_spans()) == 1
