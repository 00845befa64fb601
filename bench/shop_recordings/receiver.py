"""An OTLP receiver that keeps what it is sent as it came, and does nothing else.

The recordings must not depend on what is measured with them, so Longpole takes no part in making
them, and a receiver that decodes nothing leaves the machine to the shop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

_SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
SIGNALS = tuple(_SERVICES)


@dataclass(slots=True)
class Receiver:
    """Requests by signal, as bytes. An empty answer is OTLP's full success."""

    address: str = ""
    _kept: dict[str, list[bytes]] = field(default_factory=lambda: {s: [] for s in SIGNALS})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, signal: str, body: bytes) -> bytes:
        """Take one request."""
        with self._lock:
            self._kept[signal].append(body)
        return b""

    def taken(self) -> dict[str, bytes]:
        """All requests since the last call, by signal. Requests of OTLP that follow each other
        are together one valid request."""
        with self._lock:
            bodies = {signal: b"".join(kept) for signal, kept in self._kept.items()}
            for kept in self._kept.values():
                kept.clear()
        return bodies


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()
    server = grpc.server(
        ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", 64 * 2**20)]
    )
    for signal, service in _SERVICES.items():
        handler = grpc.unary_unary_rpc_method_handler(
            lambda body, _, signal=signal: receiver.keep(signal, body)
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {"Export": handler}),)
        )
    receiver.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(1).wait()
