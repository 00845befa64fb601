"""Sends the traces of an imaginary shop checkout through OpenTelemetry's own SDK and exporter.

Five services, one of them with a slow database query: the payment service looks up a charge
without an index. Span times are laid out by a seeded random generator and lie in the immediate
past, so a trace that "took" five seconds is sent in a few milliseconds.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

MS = 1_000_000
SERVICES = (
    "gateway",
    "order-service",
    "payment-service",
    "inventory-service",
    "shipping-service",
)


class Shop:
    """One tracer and one logger per service, all exporting to the same endpoint."""

    def __init__(self, endpoint: str, headers: dict[str, str]) -> None:
        self.span_providers: dict[str, TracerProvider] = {}
        self.log_providers: dict[str, LoggerProvider] = {}
        for service in SERVICES:
            resource = Resource.create(
                {
                    "service.name": service,
                    "service.version": "1.4.2",
                    "deployment.environment.name": "demo",
                    "host.name": f"{service}-0",
                }
            )
            spans = TracerProvider(resource=resource)
            spans.add_span_processor(
                BatchSpanProcessor(
                    OTLPSpanExporter(endpoint=endpoint, insecure=True, headers=headers),
                    schedule_delay_millis=200,
                )
            )
            logs = LoggerProvider(resource=resource)
            logs.add_log_record_processor(
                BatchLogRecordProcessor(
                    OTLPLogExporter(endpoint=endpoint, insecure=True, headers=headers),
                    schedule_delay_millis=200,
                )
            )
            self.span_providers[service], self.log_providers[service] = spans, logs

    def close(self) -> None:
        """Send what is left."""
        for provider in (*self.span_providers.values(), *self.log_providers.values()):
            provider.shutdown()


class Timeline:
    """Builds one trace on a clock of its own, in nanoseconds."""

    def __init__(self, shop: Shop, start_unix_nano: int) -> None:
        self.shop = shop
        self.now = start_unix_nano

    def pass_ms(self, milliseconds: float) -> None:
        """Let that much time go by."""
        self.now += round(milliseconds * MS)

    @contextmanager
    def span(
        self, service: str, name: str, kind: SpanKind, **attributes: str | int | float | bool
    ) -> Iterator[Span]:
        """A span that lasts as long as its block takes on this timeline."""
        tracer = self.shop.span_providers[service].get_tracer("checkout")
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        span = tracer.start_span(name, kind=kind, start_time=self.now, attributes=named)
        with trace.use_span(span, end_on_exit=False):
            yield span
        span.end(end_time=self.now)

    @contextmanager
    def call(self, caller: str, callee: str, method: str, route: str) -> Iterator[Span]:
        """An HTTP call: the client's span around the server's, with network on both sides."""
        peer = {"server__address": callee, "http__request__method": method}
        with self.span(caller, method, SpanKind.CLIENT, **peer) as client:
            self.pass_ms(1.5)
            with self.span(
                callee,
                f"{method} {route}",
                SpanKind.SERVER,
                http__request__method=method,
                http__route=route,
            ) as server:
                yield server
                server.set_attribute("http.response.status_code", 200)
            client.set_attribute("http.response.status_code", 200)
            self.pass_ms(1.0)

    def query(self, service: str, text: str, milliseconds: float) -> None:
        """A database call, instrumented on the client's side only, as usual."""
        with self.span(
            service,
            text.split(" WHERE")[0],
            SpanKind.CLIENT,
            db__system__name="postgresql",
            db__query__text=text,
            db__namespace=service.removesuffix("-service"),
        ):
            self.pass_ms(milliseconds)

    def log(self, service: str, body: str, severity: SeverityNumber) -> None:
        """A log record that belongs to the span in force."""
        self.shop.log_providers[service].get_logger("checkout").emit(
            timestamp=self.now,
            observed_timestamp=self.now,
            severity_number=severity,
            severity_text=severity.name,
            body=body,
            context=trace.set_span_in_context(trace.get_current_span()),
        )


def checkout(line: Timeline, chance: random.Random, *, slow: bool) -> None:
    """gateway → order → (inventory, payment with its database, shipping)."""
    with line.span("gateway", "POST /checkout", SpanKind.SERVER, http__route="/checkout") as root:
        line.pass_ms(chance.uniform(2, 6))
        with line.call("gateway", "order-service", "POST", "/orders"):
            line.query(
                "order-service",
                "INSERT INTO orders (id, user_id) VALUES ($1, $2)",
                chance.uniform(4, 9),
            )
            with line.call("order-service", "inventory-service", "POST", "/reservations"):
                for _ in range(3):
                    line.query(
                        "inventory-service",
                        "SELECT stock FROM items WHERE sku = $1",
                        chance.uniform(3, 6),
                    )
            with line.call("order-service", "payment-service", "POST", "/charges") as charge:
                line.pass_ms(chance.uniform(5, 15))
                took = 4300 * chance.uniform(0.95, 1.05) if slow else chance.uniform(8, 20)
                line.query("payment-service", "SELECT * FROM charges WHERE order_ref = $1", took)
                if slow:
                    line.log(
                        "payment-service",
                        f"slow query on charges took {took:.0f} ms (sequential scan)",
                        SeverityNumber.WARN,
                    )
                if chance.random() < 0.05:
                    charge.set_status(Status(StatusCode.ERROR, "card declined"))
                    root.set_status(Status(StatusCode.ERROR, "checkout failed"))
                    line.log("payment-service", "card declined", SeverityNumber.ERROR)
            with line.call("order-service", "shipping-service", "POST", "/shipments"):
                line.pass_ms(chance.uniform(20, 40))
        line.pass_ms(chance.uniform(1, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", default="127.0.0.1:4317", help="OTLP/gRPC address")
    parser.add_argument("--traces", type=int, default=0, help="stop after so many; 0: never")
    parser.add_argument("--rate", type=float, default=20.0, help="traces a second; 0: no limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--token", default="", help="bearer token, if the server wants one")
    options = parser.parse_args()
    headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    shop = Shop(options.endpoint, headers)
    chance = random.Random(options.seed)
    sent = 0
    try:
        while options.traces == 0 or sent < options.traces:
            line = Timeline(shop, time.time_ns() - 6000 * MS)
            checkout(line, chance, slow=chance.random() < 0.2)
            sent += 1
            if options.rate:
                time.sleep(1 / options.rate)
    except KeyboardInterrupt:
        pass
    finally:
        shop.close()


if __name__ == "__main__":
    main()
