"""The till: payment-service over real gRPC and HTTP, with a card network that is a real server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from fastapi import FastAPI
from opentelemetry.instrumentation.grpc import server_interceptor

from shop.chassis.chassis import Chassis, Parts
from shop.chassis.grpc_calls import GrpcCaller
from shop.chassis.ports import CallPolicy
from shop.outside import outside_app
from shop.payment.card_network import Authorisation
from shop.payment.client import PaymentClient
from shop.payment.contract import ChargeRequest
from shop.payment.service import build
from tests.shop.calls.servers import Here
from tests.shop.inventory.stage import Stage, staged

ONCE = CallPolicy(timeout_seconds=5.0, max_attempts=1, breaker_failures=0)


def request(number: int = 1, **others: str | int) -> ChargeRequest:
    told: dict[str, str | int] = {
        "order_id": f"order-{number}",
        "user_id": "user-7",
        "amount_cents": 1990,
        "currency": "EUR",
        "card_token": "card-user-7",
        "idempotency_key": f"key-{number}",
    }
    return ChargeRequest.model_validate(told | others)


@dataclass
class Till:
    """A running payment-service and how to call it."""

    stage: Stage
    chassis: Chassis
    grpc_address: str

    @contextmanager
    def client(self, policy: CallPolicy = ONCE) -> Iterator[PaymentClient]:
        caller = GrpcCaller("payment-service", policy, Here(self.grpc_address))
        yield PaymentClient(caller)
        caller.close()


@contextmanager
def open_till(folder: Path, outside: FastAPI | None = None) -> Iterator[Till]:
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    built: list[Parts] = []

    def building(chassis: Chassis) -> Parts:
        built.append(build(chassis))
        return built[0]

    with staged(folder) as stage:
        stage.serve(outside or outside_app(wait=lambda _: None), "card-network")
        chassis = stage.start(building, "payment-service")
        threads = ThreadPoolExecutor(4, thread_name_prefix="grpc")
        tracing = server_interceptor()  # type: ignore[no-untyped-call]
        server = grpc.server(threads, interceptors=[tracing], options=[("grpc.so_reuseport", 0)])
        assert built[0].register_grpc is not None
        built[0].register_grpc(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield Till(stage, chassis, f"127.0.0.1:{port}")
        finally:
            server.stop(1.0).wait()
            threads.shutdown()


@dataclass
class CardNetworkInMemory:
    """A `CardNetwork` that notes the keys it is asked with, and fails as it is told."""

    authorised: list[str] = field(default_factory=list)
    refunded: list[str] = field(default_factory=list)
    voided: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def authorise(
        self, card_token: str, amount_cents: int, currency: str, idempotency_key: str
    ) -> Authorisation:
        self.authorised.append(idempotency_key)
        if self.failure:
            raise self.failure
        return Authorisation(id=f"authorisation-{idempotency_key}")

    def refund(self, authorisation_id: str, amount_cents: int, idempotency_key: str) -> None:
        self.refunded.append(idempotency_key)
        if self.failure:
            raise self.failure

    def void(self, idempotency_key: str) -> None:
        if self.failure:
            raise self.failure
        self.voided.append(idempotency_key)
