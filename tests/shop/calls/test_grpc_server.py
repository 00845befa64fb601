"""The server side of gRPC: how long calls take, and what a span says of one that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry.instrumentation.grpc import server_interceptor
from opentelemetry.trace import SpanKind, StatusCode

from shop.chassis.errors import DependencyUnavailable, PaymentDeclined, ShopError
from shop.chassis.grpc_calls import GrpcCaller, abort_with
from shop.chassis.grpc_server import ServerCalls
from tests.shop.calls.seen import Seen, attributes
from tests.shop.calls.servers import METHOD, Here, patient, serving_grpc


def ask(seen: Seen, say: Callable[[StringValue, Any], StringValue]) -> None:
    """One call of a server that is instrumented as the shop's are; its error is swallowed."""
    tracing = server_interceptor(seen.tracer_provider)  # type: ignore[no-untyped-call]
    with serving_grpc(say, [tracing, ServerCalls(seen.meter_provider)]) as address:
        policy = patient(max_attempts=1, breaker_failures=0)
        caller = GrpcCaller("payment-service", policy, Here(address))
        try:
            caller.call(METHOD, StringValue(value="a"), StringValue)
        except ShopError:
            pass
        finally:
            caller.close()


def echo(request: StringValue, _context: Any) -> StringValue:
    return request


def be_down(_request: StringValue, context: Any) -> StringValue:
    abort_with(context, DependencyUnavailable("payment-service", "takes no calls – später"))


def decline(_request: StringValue, context: Any) -> StringValue:
    abort_with(context, PaymentDeclined("no money"))


def crash(_request: StringValue, _context: Any) -> StringValue:
    raise ValueError("a defect")


@pytest.mark.parametrize(
    ("say", "status", "is_failure"),
    [
        (echo, "OK", False),
        (decline, "FAILED_PRECONDITION", False),
        (be_down, "UNAVAILABLE", True),
        (crash, "UNKNOWN", True),
    ],
)
def test_every_answer_is_counted_and_timed_by_its_status(
    seen: Seen,
    say: Callable[[StringValue, Any], StringValue],
    status: str,
    is_failure: bool,
) -> None:
    ask(seen, say)
    ((labels, point),) = seen.durations("rpc.server.call.duration")
    expected = {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.response.status_code": status,
    }
    assert labels == expected | ({"error.type": status} if is_failure else {})
    assert point.count == 1
    (span,) = seen.spans(kind=SpanKind.SERVER)
    assert attributes(span)["rpc.response.status_code"] == status
    assert attributes(span).get("error.type") == (status if is_failure else None)
    assert (span.status.status_code is StatusCode.ERROR) is is_failure


def test_a_failed_span_has_the_words_of_the_error_and_nothing_else(seen: Seen) -> None:
    ask(seen, be_down)
    (span,) = seen.spans(kind=SpanKind.SERVER)
    assert span.status.description == "takes no calls – später"
