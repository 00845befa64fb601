"""A fake of `python -m shop` for tests of the demo: the ready line, a registry that switches
faults, and real spans through OpenTelemetry's own exporter, slow while a fault is on.

FAKE_SHOP=broken makes `up` fail, FAKE_SHOP=short lets it end soon after its ready line.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

MS = 1_000_000
FAULTS = [
    {
        "name": name,
        "summary": "A database query of payment-service takes long.",
        "service": "payment-service",
        "operation": "SELECT card_history",
        "root": "POST /api/v1/orders",
        "say": "payment-service waits for SELECT card_history; add an index.",
    }
    for name in ("payment-slow-query", "payment-other")
]
ACTIVE: dict[str, int] = {}


class Registry(BaseHTTPRequestHandler):
    """PUT and DELETE /v1/faults/{name}."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        ACTIVE[self._name()] = time.time_ns()
        self._answer({"parameters": {}, "start_unix_nano": ACTIVE[self._name()]})

    def do_DELETE(self) -> None:
        begun = ACTIVE.pop(self._name())
        label = {"fault": self._name(), "root": "POST /api/v1/orders", "visible": "trace"}
        self._answer({**label, "start_unix_nano": begun, "end_unix_nano": time.time_ns()})

    def _name(self) -> str:
        return self.path.rpartition("/")[2]

    def _answer(self, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def provider(service: str, endpoint: str) -> TracerProvider:
    made = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    made.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
    return made


def order(gateway: TracerProvider, payment: TracerProvider, query_ms: int) -> None:
    """One trace that has just ended: gateway → payment-service → its database."""
    end = time.time_ns()
    start = end - (query_ms + 20) * MS
    spans = [
        (gateway, "POST /api/v1/orders", SpanKind.SERVER, start, end),
        (payment, "POST /charges", SpanKind.SERVER, start + 5 * MS, end - 5 * MS),
        (payment, "SELECT card_history", SpanKind.CLIENT, start + 10 * MS, end - 10 * MS),
    ]
    context = None
    begun = []
    for tracers, name, kind, first, last in spans:
        span = tracers.get_tracer("fake").start_span(name, context, kind, start_time=first)
        context = trace.set_span_in_context(span)
        begun.append((span, last))
    for span, last in reversed(begun):
        span.end(last)


def up(rate: float, endpoint: str) -> int:
    if os.environ.get("FAKE_SHOP") == "broken":
        print("the broker found no room on the disk", file=sys.stderr)
        return 3
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    registry = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=registry.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{registry.server_port}"
    print('{"body": "a line of log"}')
    print(f"shop ready gateway={address} registry={address} broker={address}", flush=True)
    if os.environ.get("FAKE_SHOP") == "short":
        print("out of memory", file=sys.stderr)
        return 0
    gateway, payment = provider("gateway", endpoint), provider("payment-service", endpoint)
    parent = os.getppid()
    while not stop.wait(1 / rate) and os.getppid() == parent:
        # A slow trace that ends now must have started while the fault was on.
        is_slow = any(time.time_ns() - begun > 750 * MS for begun in list(ACTIVE.values()))
        order(gateway, payment, 700 if is_slow else 30)
    for each in (gateway, payment):
        each.shutdown()
    registry.shutdown()
    registry.server_close()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    faults = commands.add_parser("faults")
    faults.add_argument("--json", action="store_true")
    running = commands.add_parser("up")
    running.add_argument("--rate", type=float)
    running.add_argument("--otlp-endpoint")
    running.add_argument("--data-dir")
    told = parser.parse_args()
    if told.command == "up":
        return up(told.rate, told.otlp_endpoint)
    print(json.dumps(FAULTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
