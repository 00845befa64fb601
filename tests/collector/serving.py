"""A running collector for tests: real ports, an intake that keeps everything in memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from google.rpc import status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry

from longpole.collector.answers import _RESPONSES
from longpole.collector.otlp_grpc import METHODS
from longpole.collector.otlp_http import PATHS
from longpole.collector.server import Collector
from longpole.collector.settings import CollectorSettings
from longpole.model.clock import SystemClock
from longpole.model.ids import join_trace_id
from longpole.model.signals import Signal
from longpole.model.span import Span
from longpole.model.telemetry import Telemetry
from longpole.storage.memory import MemoryStore
from longpole.storage.ports import Receipt

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACES, LOGS, METRICS = Signal.TRACES, Signal.LOGS, Signal.METRICS
PATH_OF = {signal: path for path, signal in PATHS.items()}
METHOD_OF = {signal: method for method, signal in METHODS.items()}
REQUEST_OF: dict[Signal, Any] = {
    TRACES: ExportTraceServiceRequest,
    LOGS: ExportLogsServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}
RESPONSE_OF: dict[Signal, Any] = {signal: row[0] for signal, row in _RESPONSES.items()}


@dataclass
class Sink:
    """Keeps what is submitted; `failure` makes it refuse, `gate` makes it wait."""

    kept: list[Telemetry] = field(default_factory=list)
    failure: Exception | None = None
    gate: threading.Event | None = None
    seen: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    waiting_bytes: int = 0
    store: MemoryStore = field(default_factory=lambda: MemoryStore(SystemClock()))

    def clear(self) -> None:
        """Forget everything kept."""
        self.kept.clear()
        self.store = MemoryStore(SystemClock())

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        assert arrival_unix_nano > 0
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()
        self.seen.release()
        if self.gate is None:
            self._keep(telemetry, future)
        else:
            gate = self.gate

            def later() -> None:
                gate.wait(30)
                self._keep(telemetry, future)

            threading.Thread(target=later, daemon=True).start()
        return future

    def _keep(self, telemetry: Telemetry, future: Future[Receipt]) -> None:
        if self.failure is not None:
            future.set_exception(self.failure)
            return
        self.kept.append(telemetry)
        self.store.submit(telemetry, time.time_ns()).result(10)
        future.set_result(Receipt(len(self.kept)))

    def requests(self, signal: Signal = TRACES) -> list[Any]:
        """What was kept, as protobuf, strictly parsed."""
        return [REQUEST_OF[signal].FromString(t.body) for t in self.kept if t.signal is signal]

    def spans(self) -> list[Any]:
        """Every kept span."""
        return [
            span
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def stored(self) -> list[Span]:
        """The spans kept, read back from the store by trace id, by span id."""
        ids = {
            join_trace_id(hi, lo)
            for hi, lo in zip(
                self.column("spans", "trace_hi"), self.column("spans", "trace_lo"), strict=True
            )
        }
        found = [self.store.trace(trace_id) for trace_id in ids]
        spans = [span for trace in found if trace is not None for span in trace.spans]
        return sorted(spans, key=lambda span: span.span_id)

    def column(self, table: str, name: str) -> list[Any]:
        """One column over all requests, as the store would see it."""
        return [
            value
            for telemetry in self.kept
            if table in telemetry.tables
            for value in telemetry.tables[table].column(name).to_pylist()
        ]


@dataclass
class Served:
    """A running collector and ways to talk to it."""

    collector: Collector
    sink: Sink
    registry: CollectorRegistry
    client: httpx.Client
    channel: grpc.Channel

    @property
    def http(self) -> tuple[str, int]:
        host, port = self.collector.addresses["http"].rsplit(":", 1)
        return host, int(port)

    @property
    def grpc(self) -> tuple[str, int]:
        host, port = self.collector.addresses["grpc"].rsplit(":", 1)
        return host, int(port)

    def post(
        self,
        body: bytes | Iterator[bytes],
        signal: Signal = TRACES,
        content_type: str | None = PROTOBUF,
        path: str | None = None,
        method: str = "POST",
        **headers: str,
    ) -> httpx.Response:
        """POST a body; keyword arguments are headers with _ for -."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            fields["content-type"] = content_type
        return self.client.request(method, path or PATH_OF[signal], content=body, headers=fields)

    def export(self, body: bytes, signal: Signal = TRACES, **options: Any) -> Any:
        """Call Export with raw bytes; returns the parsed response, raises grpc.RpcError."""
        options.setdefault("timeout", 20)
        method = self.channel.unary_unary(METHOD_OF[signal])
        return RESPONSE_OF[signal].FromString(method(body, **options))

    def talk(self, data: bytes, port: str = "http") -> socket.socket:
        """A fresh connection on which `data` was sent."""
        connection = socket.create_connection(getattr(self, port), timeout=20)
        connection.sendall(data)
        return connection

    def metric(self, name: str, **labels: str) -> float:
        """A sample of the collector's own metrics, 0 when there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def serve(sink: Sink | None = None, **settings: Any) -> Iterator[Served]:
    """A collector on free ports; stopped at the end."""
    registry = CollectorRegistry()
    sink = sink or Sink()
    given = {"grpc_address": "127.0.0.1:0", "http_address": "127.0.0.1:0"}
    # Those that are refused need not wait long for it.
    settings = given | {"admission_wait_seconds": 0.2} | settings
    collector = Collector(CollectorSettings(**settings), sink, SystemClock(), registry)
    collector.start()
    options = [
        ("grpc.max_send_message_length", -1),
        ("grpc.max_receive_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    channel = grpc.insecure_channel(collector.addresses["grpc"], options=options)
    client = httpx.Client(base_url="http://" + collector.addresses["http"], timeout=30)
    try:
        yield Served(collector, sink, registry, client, channel)
    finally:
        if sink.gate is not None:
            sink.gate.set()
        client.close()
        channel.close()
        collector.stop(5.0)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def status_of(response: httpx.Response) -> tuple[int, str]:
    """Code and message of a google.rpc.Status body in either encoding."""
    if response.headers["content-type"] == JSON:
        body = response.json()
        return body.get("code", 0), body["message"]
    status = status_pb2.Status.FromString(response.content)
    return status.code, status.message


def refused(call: Callable[[], Any]) -> Any:
    """The RpcError that a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call was not refused")
