"""Certainty: what a failed call to a real server tells about its effect."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from shop.chassis.caller import HttpCaller
from shop.chassis.errors import (
    BulkheadFull,
    CircuitOpen,
    DependencyError,
    DependencyTimeout,
    DependencyUnavailable,
    PaymentDeclined,
    ShopError,
)
from shop.chassis.grpc_calls import GrpcCaller, abort_with
from shop.chassis.ports import CallPolicy
from shop.order.certainty import may_have_happened
from tests.shop.calls.servers import (
    METHOD,
    Here,
    nobody_listens,
    serving,
    serving_grpc,
    shop_app,
)

ONCE = CallPolicy(timeout_seconds=0.5, max_attempts=1)


@pytest.mark.parametrize(
    ("error", "is_unsure"),
    [
        (PaymentDeclined("no money"), False),
        (CircuitOpen("payment-service", "open"), False),
        (BulkheadFull("payment-service", "full"), False),
        (DependencyTimeout("card-network", "late"), True),
        (KeyError("a bug"), True),
    ],
)
def test_the_kind_of_an_error_tells_what_it_can(error: Exception, is_unsure: bool) -> None:
    assert may_have_happened(error) is is_unsure


def grpc_error(address: str) -> ShopError:
    """What a call of this address raises."""
    caller = GrpcCaller("payment-service", ONCE, Here(address))
    try:
        with pytest.raises(ShopError) as caught:
            caller.call(METHOD, StringValue(value="x"), StringValue)
    finally:
        caller.close()
    return caught.value


def refuse(request: StringValue, context: Any) -> StringValue:
    abort_with(context, DependencyUnavailable("payment-service", "down"))


def crash(request: StringValue, context: Any) -> StringValue:
    raise KeyError("a bug in the servicer")


@pytest.mark.parametrize(("say", "is_unsure"), [(refuse, False), (crash, True)])
def test_a_servicer_that_says_no_is_believed_and_one_that_crashed_is_not(
    say: Callable[[StringValue, Any], StringValue], is_unsure: bool
) -> None:
    with serving_grpc(say) as address:
        error = grpc_error(address)

    assert isinstance(error, DependencyError)
    assert may_have_happened(error) is is_unsure


def test_a_server_that_dies_at_its_work_may_have_done_it() -> None:
    dying: list[Any] = []

    def die(request: StringValue, context: Any) -> StringValue:
        threading.Thread(target=lambda: dying[0].stop(None)).start()
        threading.Event().wait(0.2)
        return request

    handler = grpc.unary_unary_rpc_method_handler(
        die, StringValue.FromString, StringValue.SerializeToString
    )
    service, _, method = METHOD.partition("/")
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads, options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {method: handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        dying.append(server)
        server.start()
        error = grpc_error(f"127.0.0.1:{port}")
        server.stop(None).wait()

    assert may_have_happened(error)


def test_where_nobody_listens_nothing_happens() -> None:
    with nobody_listens() as address:
        assert not may_have_happened(grpc_error(address))
        assert not may_have_happened(http_error(address))


def http_error(address: str) -> ShopError:
    """What a call of this address raises."""
    caller = HttpCaller("inventory-service", ONCE, Here(address))
    try:
        with pytest.raises(ShopError) as caught:
            caller.request("POST", "/v1/reservations", idempotency_key="key")
    finally:
        caller.close()
    return caught.value


def test_a_problem_document_is_believed() -> None:
    app = shop_app()

    @app.post("/v1/reservations")
    def reserve() -> None:
        raise DependencyUnavailable("inventory-service", "down")

    with serving(app) as address:
        assert not may_have_happened(http_error(address))


@contextmanager
def hanging_up() -> Iterator[str]:
    """A server that reads a request and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)

        thread = threading.Thread(target=answer)
        thread.start()
        host, port = listener.getsockname()
        yield f"{host}:{port}"
        thread.join()


def test_a_connection_that_breaks_off_leaves_it_open() -> None:
    with hanging_up() as address:
        assert may_have_happened(http_error(address))
