"""The real Python SDK with the real OTLP exporters, sending one of everything.

The exporters are asked for the very protobuf they send, so that what was kept can be compared
with what went over the wire.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

START = 1_767_323_045_123_456_789


def canonical(message: Message) -> bytes:
    """A message as bytes without what means nothing: the order of attributes, and whether
    an unset status was sent as an empty message or not at all."""
    copy = type(message)()
    copy.CopyFrom(message)
    _sort_attributes(copy)
    return copy.SerializeToString(deterministic=True)


def _sort_attributes(message: Message) -> None:
    for descriptor, value in message.ListFields():
        if descriptor.name == "status" and value.ByteSize() == 0:
            message.ClearField("status")
            continue
        if descriptor.message_type is None:
            continue
        children = list(value) if descriptor.is_repeated else [value]
        for child in children:
            _sort_attributes(child)
        if descriptor.message_type.name == "KeyValue" and descriptor.is_repeated:
            value.sort(key=lambda pair: pair.key)


class PythonClient:
    """`transport` is `grpc` or `http`; `address` host:port."""

    def __init__(self, transport: str, address: str, service: str = "") -> None:
        self.service = service or f"python-{transport}"
        if transport == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            self.spans: Any = OTLPSpanExporter(endpoint=address, insecure=True)
            self.logs: Any = OTLPLogExporter(endpoint=address, insecure=True)
            self.metrics: Any = OTLPMetricExporter(endpoint=address, insecure=True)
        else:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # type: ignore[assignment]
                OTLPLogExporter,
            )
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # type: ignore[assignment]
                OTLPMetricExporter,
            )
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[assignment]
                OTLPSpanExporter,
            )

            self.spans = OTLPSpanExporter(endpoint=f"http://{address}/v1/traces")
            self.logs = OTLPLogExporter(endpoint=f"http://{address}/v1/logs")
            self.metrics = OTLPMetricExporter(endpoint=f"http://{address}/v1/metrics")
        self.resource = Resource.create(
            {"service.name": self.service, "host.cpu.count": 4, "tags": ["a", "b"]},
            schema_url="https://opentelemetry.io/schemas/1.30.0",
        )
        self.sent: dict[str, set[tuple[bytes, str, str, bytes]]] = {
            "traces": set(), "logs": set(), "metrics": set(),
        }  # fmt: skip
        self._record_what_is_sent()

    def _record_what_is_sent(self) -> None:
        """Note every record as the SDK encodes it, once its export has succeeded."""
        shapes = {
            "traces": (self.spans, encode_spans, "resource_spans", "scope_spans", "spans"),
            "logs": (self.logs, encode_logs, "resource_logs", "scope_logs", "log_records"),
            "metrics": (
                self.metrics, encode_metrics, "resource_metrics", "scope_metrics", "metrics",
            ),
        }  # fmt: skip
        for signal, (exporter, encode, outer, inner, leaf) in shapes.items():
            exporter.export = _noting(
                exporter.export, encode, outer, inner, leaf, self.sent[signal]
            )

    def send_everything(self) -> dict[str, set[tuple[bytes, str, str, bytes]]]:
        """Spans of every shape, logs of every body, metrics of every kind."""
        provider = TracerProvider(resource=self.resource)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        tracer = provider.get_tracer("lib", "1.0", attributes={"scope.attr": True})
        root = tracer.start_span("GET /order", kind=SpanKind.SERVER, start_time=START)
        inside = trace.set_span_in_context(root)
        remote = SpanContext(0xABC << 100, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))
        span = tracer.start_span(
            "charge",
            context=inside,
            kind=SpanKind.CLIENT,
            start_time=START + 10,
            links=[Link(remote, {"why": "caused by", "n": 2})],
            attributes={
                "string": "naïve 🧵", "empty": "", "int": -(2**63), "big": 2**63 - 1,
                "double": 0.1, "tiny": 5e-324, "negative.zero": -0.0, "infinite": float("inf"),
                "true": True, "false": False, "strings": ["x", ""], "ints": [1, -2],
                "doubles": [0.5, 1.0], "bools": [True, False], "none": (),
            },
        )  # fmt: skip
        span.add_event("retry", {"attempt": 2}, timestamp=START + 20)
        span.add_event("no attributes", timestamp=START + 21)
        span.set_status(Status(StatusCode.ERROR, "card declined"))
        span.end(end_time=START + 1_000_000_007)
        ok = tracer.start_span("reserve", context=inside, start_time=START + 30)
        ok.set_status(StatusCode.OK)
        ok.end(end_time=START + 30)
        root.end(end_time=START + 2_000_000_001)

        logs = LoggerProvider(resource=self.resource)
        logs.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        logger = logs.get_logger("log-lib", "2.0")
        bodies: list[Any] = ["text", 7, 0.25, True, b"\x00\xff", {"k": [1, {"d": "e"}]}]
        for number, body in enumerate(bodies):
            logger.emit(
                timestamp=START + number, observed_timestamp=START + 100, context=inside,
                severity_number=SeverityNumber.ERROR, severity_text="ERROR", body=body,
                attributes={"n": number, "nested": {"list": [1, "two", None]}},
                event_name="order.failed",
            )  # fmt: skip

        reader = PeriodicExportingMetricReader(self.metrics, export_interval_millis=float("inf"))
        meters = MeterProvider([reader], resource=self.resource)
        meter = meters.get_meter("meter", "3.0")
        meter.create_counter("orders", unit="{order}", description="orders").add(3, {"k": "v"})
        meter.create_up_down_counter("open").add(-2)
        meter.create_gauge("load").set(0.5, {"cpu": 1})
        meter.create_histogram("latency", unit="s").record(0.2)
        meters.force_flush()
        for provider_ in (provider, logs, meters):
            provider_.shutdown()
        return self.sent

    def send_one_span(self, attributes: dict[str, Any]) -> str:
        """The trace id in hex, after the export was acknowledged."""
        provider = TracerProvider(resource=self.resource)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        with provider.get_tracer("lib").start_as_current_span("one", attributes=attributes) as span:
            trace_id = span.get_span_context().trace_id
        provider.shutdown()
        return f"{trace_id:032x}"


def _noting(send: Any, encode: Any, outer: str, inner: str, leaf: str, into: Any) -> Any:
    def export(items: Any, *rest: Any, **options: Any) -> Any:
        result = send(items, *rest, **options)
        assert result in (SpanExportResult.SUCCESS, MetricExportResult.SUCCESS) or (
            result.name == "SUCCESS"
        ), result
        for group in getattr(encode(items), outer):
            for scoped in getattr(group, inner):
                for record in getattr(scoped, leaf):
                    into.add(
                        (
                            canonical(group.resource),
                            scoped.scope.name,
                            scoped.schema_url,
                            canonical(record),
                        )
                    )
        return result

    return export
