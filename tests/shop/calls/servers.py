"""Real servers on free ports, instances that point at them, and time that a test can turn."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import uvicorn
from fastapi import FastAPI
from google.protobuf.wrappers_pb2 import StringValue
from starlette.types import ASGIApp

from shop.chassis.ports import CallPolicy, Instance
from shop.chassis.problem import install_problem_handlers

METHOD = "shop.test.v1.Echo/Say"


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """An HTTP server for the app; gives its host:port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # asyncio would set it itself if the socket knew its protocol; without it each answer
        # waits 40 ms for an acknowledgement that the client delays.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            host, port = listener.getsockname()
            yield f"{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving_grpc(
    say: Callable[[StringValue, Any], StringValue], interceptors: Sequence[Any] = ()
) -> Iterator[str]:
    """A gRPC server whose `METHOD` is `say`; gives its host:port."""
    server = grpc.server(
        ThreadPoolExecutor(8), interceptors=interceptors, options=[("grpc.so_reuseport", 0)]
    )
    handler = grpc.unary_unary_rpc_method_handler(
        say, StringValue.FromString, StringValue.SerializeToString
    )
    service, _, method = METHOD.partition("/")
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=1.0).wait()


@contextmanager
def nobody_listens() -> Iterator[str]:
    """A port that is taken, so that no other process gets it, but refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host, port = taken.getsockname()
        yield f"{host}:{port}"


def shop_app() -> FastAPI:
    """An app whose errors are problems."""
    app = FastAPI()
    install_problem_handlers(app)
    return app


def patient(**changes: Any) -> CallPolicy:
    """A policy whose attempts do not time out because the machine is busy with other tests."""
    return replace(CallPolicy(timeout_seconds=20.0), **changes)


class Here:
    """A `Discovery` that knows what it is told; one instance for each address."""

    def __init__(self, *addresses: str, weights: Sequence[int] = ()) -> None:
        self.known = [
            Instance(
                service="",
                instance_id=f"instance-{number}",
                version=f"1.{number}.0",
                host_name="node-a",
                http=address,
                grpc=address,
                weight=weights[number] if weights else 100,
            )
            for number, address in enumerate(addresses)
        ]

    def instances(self, service: str) -> Sequence[Instance]:
        """All of them, whatever the service."""
        return [replace(one, service=service) for one in self.known]


@dataclass
class Time:
    """A clock that only `sleep` and the test move."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Be there at once."""
        self.slept.append(seconds)
        self.now += seconds
