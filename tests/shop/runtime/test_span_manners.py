"""Span manners and clock skew: what telemetry says of a process, right or wrong."""

from __future__ import annotations

import io
import json
import logging

from opentelemetry import baggage
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

from shop.chassis.json_logs import log_to_stdout
from shop.chassis.settings import Settings
from shop.chassis.skew import ClockSkew, SkewedLogs, SkewedSpans, skew_of
from shop.chassis.span_manners import SpanManners
from shop.chassis.switches import HeldFaults
from shop.chassis.telemetry import resource_of

HALF_A_SECOND = 500_000_000


class Bench:
    """A tracer as a process has it, and the spans it would send."""

    def __init__(self) -> None:
        self.skew = ClockSkew()
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        sender = SimpleSpanProcessor(self._exporter)
        self._provider.add_span_processor(SpanManners(SkewedSpans(sender, self.skew)))
        self.tracer = self._provider.get_tracer("test")

    def sent(self) -> ReadableSpan:
        (span,) = self._exporter.get_finished_spans()
        return span


def test_a_saga_is_on_every_span_below_it() -> None:
    bench = Bench()
    context = baggage.set_baggage("saga.id", "saga-1")
    bench.tracer.start_span("x", context=context).end()

    assert dict(bench.sent().attributes or {}) == {"saga.id": "saga-1"}


def test_spans_outside_of_a_saga_do_not_speak_of_one() -> None:
    bench = Bench()
    bench.tracer.start_span("x").end()

    assert "saga.id" not in (bench.sent().attributes or {})


def test_grpc_spans_have_the_current_names() -> None:
    bench = Bench()
    written: dict[str, str | int] = {
        "rpc.system": "grpc",
        "rpc.method": "Charge",
        "rpc.grpc.status_code": 0,
    }
    span = bench.tracer.start_span("/a.B/Charge", kind=SpanKind.SERVER, attributes=written)
    span.set_attribute("rpc.grpc.status_code", 14)
    span.add_event("something")
    span.end()

    sent = bench.sent()
    assert sent.name == "a.B/Charge"
    assert dict(sent.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.system.name": "grpc",
        "rpc.method": "a.B/Charge",
        "rpc.grpc.status_code": 14,
        "rpc.response.status_code": "UNAVAILABLE",
    }
    assert sent.kind is SpanKind.SERVER
    assert sent.context == span.get_span_context()
    assert [event.name for event in sent.events] == ["something"]


def test_a_wrong_clock_moves_the_span_and_its_events_together() -> None:
    bench = Bench()
    bench.skew.follow(lambda: HALF_A_SECOND, lambda trace_id: None)
    span = bench.tracer.start_span("x", start_time=1_000)
    span.add_event("e", timestamp=1_500)
    span.end(2_000)

    sent = bench.sent()
    assert (sent.start_time, sent.end_time) == (HALF_A_SECOND + 1_000, HALF_A_SECOND + 2_000)
    assert [event.timestamp for event in sent.events] == [HALF_A_SECOND + 1_500]


def test_the_ledger_has_traces_in_which_the_labels_operation_bears_wrong_times() -> None:
    bench = Bench()
    acted: list[int] = []
    bench.skew.follow(lambda: HALF_A_SECOND, acted.append)
    reading = bench.tracer.start_span("GET /v1/products/{sku}")
    reading.end()
    assert acted == []

    reserving = bench.tracer.start_span("POST /v1/reservations")
    reserving.end()
    assert acted == [reserving.get_span_context().trace_id]


def test_the_clock_is_wrong_only_while_the_fault_is_on_and_only_on_the_second_instance() -> None:
    faults = HeldFaults()
    second = skew_of(faults, "inventory-service", "inventory-service-2")
    first = skew_of(faults, "inventory-service", "inventory-service-1")
    other = skew_of(faults, "recommendation-service", "recommendation-service-2")
    assert [second(), first(), other()] == [0, 0, 0]

    faults.hold({"inventory-clock-skew": {"seconds": 0.5}})
    assert [second(), first(), other()] == [HALF_A_SECOND, 0, 0]

    faults.hold({})
    assert second() == 0


def test_a_wrong_clock_moves_logs() -> None:
    skew, exporter = ClockSkew(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SkewedLogs(skew))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("test")
    logger.emit(timestamp=1_000, observed_timestamp=2_000, body="right")
    skew.follow(lambda: HALF_A_SECOND, lambda trace_id: None)
    logger.emit(timestamp=1_000, observed_timestamp=2_000, body="wrong")

    right, wrong = (each.log_record for each in exporter.get_finished_logs())
    assert (right.timestamp, right.observed_timestamp) == (1_000, 2_000)
    assert (wrong.timestamp, wrong.observed_timestamp) == (
        HALF_A_SECOND + 1_000,
        HALF_A_SECOND + 2_000,
    )
    provider.shutdown()


def test_the_resource_says_which_instance_of_what_it_is() -> None:
    settings = Settings(
        service_name="gateway",
        version="1.4.0",
        instance_id="gateway-1",
        host_name="node-a",
        resource_attributes="team=front,service.name=ignored",
    )

    said = resource_of(settings).attributes

    assert {
        "service.name": "gateway",
        "service.namespace": "shop",
        "service.version": "1.4.0",
        "service.instance.id": "gateway-1",
        "host.name": "node-a",
        "deployment.environment.name": "development",
        "team": "front",
    }.items() <= said.items()


def test_a_log_line_is_json_and_names_its_span() -> None:
    out = io.StringIO()
    root = logging.getLogger()
    level = root.level
    handler = log_to_stdout("gateway", "gateway-1", "INFO", out)
    try:
        with Bench().tracer.start_as_current_span("x") as span:
            logging.getLogger("shop.gateway").info(
                "user %s came", "user-1", extra={"order_id": "o-1"}
            )
        try:
            raise ValueError("bad\nluck")
        except ValueError:
            logging.getLogger("shop.gateway").exception("outside of a span")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)

    inside, outside = map(json.loads, out.getvalue().splitlines())
    context = span.get_span_context()
    assert inside["message"] == "user user-1 came"
    assert inside["level"] == "INFO"
    assert inside["service"] == "gateway"
    assert inside["order_id"] == "o-1"
    assert inside["trace_id"] == format_trace_id(context.trace_id)
    assert inside["span_id"] == format_span_id(context.span_id)
    assert "trace_id" not in outside
    assert "ValueError: bad\nluck" in outside["exception"]
