"""gRPC calls: errors that keep their class, the guard's chain, and what the spans say."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
from opentelemetry.trace import StatusCode, format_span_id

from shop.chassis.errors import (
    CircuitOpen,
    DependencyError,
    DependencyTimeout,
    DependencyUnavailable,
    PaymentDeclined,
    RateLimited,
    ShopError,
)
from shop.chassis.grpc_calls import GrpcCaller, abort_with
from shop.chassis.ports import CallPolicy, PolicySource
from shop.chassis.problem import BY_CODE, error_of
from tests.shop.calls.seen import Seen, attributes, event_names
from tests.shop.calls.servers import METHOD, Here, Time, nobody_listens, patient, serving_grpc

ONCE = patient(max_attempts=1, breaker_failures=0)

Connect = Callable[..., GrpcCaller]


class Payments:
    """A server that answers with an exclamation mark, after its failures are used up."""

    def __init__(self) -> None:
        self.failures: list[ShopError] = []
        self.asked = 0
        self.metadata: list[dict[str, str]] = []

    def say(self, request: StringValue, context: Any) -> StringValue:
        self.asked += 1
        self.metadata.append(dict(context.invocation_metadata()))
        if self.failures:
            abort_with(context, self.failures.pop(0))
        return StringValue(value=request.value + "!")


@pytest.fixture
def payments() -> Payments:
    return Payments()


@pytest.fixture
def connect(seen: Seen) -> Iterator[Connect]:
    """Makes callers of the given addresses."""
    with ExitStack() as stack:

        def make(
            *addresses: str, policy: PolicySource = ONCE, time: Time | None = None
        ) -> GrpcCaller:
            time = time or Time()
            caller = GrpcCaller(
                "payment-service",
                policy,
                Here(*addresses),
                clock=time.clock,
                sleep=time.sleep,
                tracer_provider=seen.tracer_provider,
                meter_provider=seen.meter_provider,
            )
            stack.callback(caller.close)
            return caller

        yield make


@pytest.fixture
def address(payments: Payments) -> Iterator[str]:
    with serving_grpc(payments.say) as address:
        yield address


def say(caller: GrpcCaller, word: str = "hello", key: str = "") -> str:
    return caller.call(METHOD, StringValue(value=word), StringValue, idempotency_key=key).value


def test_a_call_brings_the_answer_and_carries_its_key(
    address: str, payments: Payments, connect: Connect
) -> None:
    assert say(connect(address), key="key-1") == "hello!"
    assert payments.metadata[0]["idempotency-key"] == "key-1"


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=lambda kind: kind.__name__)
def test_every_error_keeps_its_class_over_the_wire(
    address: str, payments: Payments, connect: Connect, kind: type[ShopError]
) -> None:
    payments.failures = [error_of(kind, "not today – später", "card network", 2.5)]
    with pytest.raises(kind, match="not today – später") as caught:
        say(connect(address))
    assert type(caught.value) is kind
    if isinstance(caught.value, DependencyError):
        assert caught.value.dependency == "card network"
        assert not caught.value.was_never_sent
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_seconds == 2.5


def test_an_error_without_a_class_of_its_own_is_a_failed_dependency(
    address: str, payments: Payments, connect: Connect
) -> None:
    payments.failures = [ShopError("a bug")] * 3
    with pytest.raises(DependencyError, match="a bug") as caught:
        say(connect(address, policy=patient()), key="key-1")
    assert type(caught.value) is DependencyError
    assert payments.asked == 1


def test_an_exception_in_the_server_is_a_failed_dependency(connect: Connect) -> None:
    def fail(_request: StringValue, _context: Any) -> StringValue:
        raise ValueError("a secret")

    with serving_grpc(fail) as address, pytest.raises(DependencyError):
        say(connect(address))


def test_a_deadline_that_passes_is_a_timeout(connect: Connect, seen: Seen) -> None:
    let_go = threading.Event()

    def linger(request: StringValue, _context: Any) -> StringValue:
        let_go.wait(10)
        return request

    with ExitStack() as stack:
        address = stack.enter_context(serving_grpc(linger))
        stack.callback(let_go.set)
        with pytest.raises(DependencyTimeout) as caught:
            say(connect(address, policy=CallPolicy(timeout_seconds=0.1)))
    assert caught.value.dependency == "payment-service"
    (span,) = seen.client_spans()
    assert attributes(span)["rpc.response.status_code"] == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(("key", "asked"), [("", 1), ("key-1", 3)])
def test_only_calls_with_a_key_are_repeated(
    address: str, payments: Payments, connect: Connect, key: str, asked: int
) -> None:
    payments.failures = [DependencyUnavailable("payment-service", "busy")] * 9
    caller = connect(address, policy=patient(max_attempts=3))
    with pytest.raises(DependencyUnavailable):
        say(caller, key=key)
    assert payments.asked == asked


def test_a_method_that_only_reads_is_repeated_without_a_key(
    address: str, payments: Payments, connect: Connect
) -> None:
    payments.failures = [DependencyUnavailable("payment-service", "busy")] * 2
    caller = connect(address, policy=patient(max_attempts=3))
    assert caller.call(METHOD, StringValue(value="a"), StringValue, is_safe=True).value == "a!"


def test_a_declined_payment_is_an_answer_and_never_repeated(
    address: str, payments: Payments, connect: Connect
) -> None:
    caller = connect(address, policy=patient(breaker_failures=1))
    payments.failures = [PaymentDeclined("no money")] * 3
    for _ in range(3):
        with pytest.raises(PaymentDeclined):
            say(caller, key="key-1")
    assert payments.asked == 3
    assert say(caller) == "hello!"


def test_a_call_fails_over_to_the_instance_that_listens(
    address: str, connect: Connect, seen: Seen
) -> None:
    with nobody_listens() as dead:
        caller = connect(dead, address, policy=patient())
        assert [say(caller) for _ in range(4)] == ["hello!"] * 4
    called = [attributes(span)["shop.instance.id"] for span in seen.client_spans()]
    assert called == ["instance-0"] + ["instance-1"] * 4
    counts = [attributes(span).get("http.request.resend_count") for span in seen.client_spans()]
    assert counts == [None, 1, None, None, None]


def test_the_breaker_opens_rejects_and_closes_again(
    address: str, payments: Payments, connect: Connect, seen: Seen
) -> None:
    time = Time()
    policy = patient(max_attempts=1, breaker_failures=2, breaker_open_seconds=5.0)
    caller = connect(address, policy=policy, time=time)
    payments.failures = [DependencyUnavailable("payment-service", "down")] * 2
    for expected in (DependencyUnavailable, DependencyUnavailable, CircuitOpen):
        with pytest.raises(expected):
            say(caller)
    assert payments.asked == 2
    rejected = seen.client_spans()[-1]
    assert rejected.name == METHOD
    assert attributes(rejected)["error.type"] == "CircuitOpen"
    assert event_names(rejected) == ["circuit_breaker.rejected"]
    time.now += 5.0
    assert say(caller) == "hello!"
    states = [attributes(span)["circuit_breaker.state"] for span in seen.client_spans()]
    assert states == ["closed", "closed", "open", "half_open"]


def test_the_span_says_who_was_called_and_how_it_ended(
    address: str, payments: Payments, connect: Connect, seen: Seen
) -> None:
    payments.failures = [PaymentDeclined("no money")]
    with seen.tracer.start_as_current_span("saga step charge") as step:
        with pytest.raises(PaymentDeclined):
            say(connect(address))
        say(connect(address))
    declined, charged = seen.client_spans()
    common = {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "server.address": "payment-service",
        "service.peer.name": "payment-service",
        "peer.service": "payment-service",
        "shop.instance.version": "1.0.0",
    }
    for span in (declined, charged):
        assert span.name == METHOD
        assert span.parent == step.get_span_context()
        assert {key: attributes(span).get(key) for key in common} == common
    assert attributes(declined)["rpc.response.status_code"] == "FAILED_PRECONDITION"
    assert attributes(declined)["error.type"] == "FAILED_PRECONDITION"
    assert declined.status.status_code is StatusCode.ERROR
    assert declined.status.description == "no money"
    assert attributes(charged)["rpc.response.status_code"] == "OK"
    assert charged.status.status_code is StatusCode.UNSET
    sent = [metadata["traceparent"].split("-")[2] for metadata in payments.metadata]
    contexts = [span.context for span in (declined, charged)]
    assert sent == [format_span_id(context.span_id) for context in contexts if context]


def test_the_span_and_the_metric_of_a_call_have_only_current_names(
    address: str, connect: Connect, seen: Seen
) -> None:
    say(connect(address))
    (span,) = seen.client_spans()
    assert {name for name in attributes(span) if name.startswith(("rpc.", "net."))} == {
        "rpc.system.name",
        "rpc.method",
        "rpc.response.status_code",
    }


def test_the_duration_of_calls_is_told_by_how_they_ended(
    address: str, payments: Payments, connect: Connect, seen: Seen
) -> None:
    caller = connect(address)
    say(caller)
    say(caller)
    payments.failures = [DependencyUnavailable("payment-service", "down")]
    with pytest.raises(DependencyUnavailable):
        say(caller)
    common = {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "server.address": "payment-service",
    }
    (good, calls), (bad, failures) = sorted(
        seen.durations("rpc.client.call.duration"), key=lambda found: len(found[0])
    )
    assert good == common | {"rpc.response.status_code": "OK"}
    assert bad == common | {
        "rpc.response.status_code": "UNAVAILABLE",
        "error.type": "UNAVAILABLE",
    }
    assert (calls.count, failures.count) == (2, 1)
    assert calls.explicit_bounds[0] == 0.005


def test_one_attempt_is_one_span_even_if_grpc_is_instrumented_as_well(
    address: str, payments: Payments, connect: Connect, seen: Seen
) -> None:
    instrumentor: Any = GrpcInstrumentorClient()  # type: ignore[no-untyped-call]
    instrumentor.instrument(tracer_provider=seen.tracer_provider)
    try:
        payments.failures = [PaymentDeclined("no money")]
        caller = connect(address)
        with pytest.raises(PaymentDeclined):
            say(caller)
        say(caller)
    finally:
        instrumentor.uninstrument()
    assert [span.name for span in seen.client_spans()] == [METHOD] * 2


def test_calls_of_many_threads_each_bring_their_own_answer(
    address: str, connect: Connect, seen: Seen
) -> None:
    caller = connect(address, address, policy=patient())
    with ThreadPoolExecutor(8) as pool:
        words = [f"word-{number}" for number in range(64)]
        assert list(pool.map(lambda word: say(caller, word), words)) == [f"{w}!" for w in words]
    assert len(seen.client_spans()) == 64


def test_a_handshake_that_takes_its_time_is_no_failure(
    address: str, connect: Connect, seen: Seen
) -> None:
    host, _, port = address.rpartition(":")

    def forward(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # either side may hang up first
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def dawdle() -> None:
            near, _ = listener.accept()
            threading.Event().wait(0.4)
            with near, socket.create_connection((host, int(port))) as far:
                back = threading.Thread(target=forward, args=(far, near))
                back.start()
                forward(near, far)
                back.join()

        dawdler = threading.Thread(target=dawdle)
        dawdler.start()
        stack.callback(dawdler.join)
        caller = connect(f"127.0.0.1:{listener.getsockname()[1]}", policy=patient(max_attempts=1))
        stack.callback(caller.close)
        assert say(caller) == "hello!"
    assert len(seen.client_spans()) == 1


def test_a_server_that_comes_back_is_found_again(payments: Payments, connect: Connect) -> None:
    with serving_grpc(payments.say) as address:
        caller = connect(address, policy=patient(max_attempts=1, breaker_failures=0))
        assert say(caller) == "hello!"
    with pytest.raises(DependencyUnavailable):
        say(caller)
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(
        payments.say, StringValue.FromString, StringValue.SerializeToString
    )
    service, _, method = METHOD.partition("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    assert server.add_insecure_port(address)
    server.start()
    try:
        answer = ""
        for _ in range(100):
            try:
                answer = say(caller)
                break
            except DependencyUnavailable:
                threading.Event().wait(0.05)
        assert answer == "hello!"
    finally:
        server.stop(None).wait()
