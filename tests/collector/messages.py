"""Small OTLP requests for tests."""

from __future__ import annotations

import itertools
import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.model.signals import Signal

START = 1_700_000_000_000_000_000
_ids = itertools.count(1)


def add_span(request: Any, **fields: Any) -> Any:
    """A valid span, save for what `fields` say, in the first scope of the request."""
    if not request.resource_spans:
        resource = request.resource_spans.add()
        item = resource.resource.attributes.add(key="service.name")
        item.value.string_value = "shop"
        resource.scope_spans.add()
    n = next(_ids)
    defaults = {
        "trace_id": n.to_bytes(16, "big"),
        "span_id": n.to_bytes(8, "big"),
        "name": f"op {n}",
        "start_time_unix_nano": START,
        "end_time_unix_nano": START + 1000,
    }
    return request.resource_spans[0].scope_spans[0].spans.add(**(defaults | fields))


def traces(count: int = 1, **fields: Any) -> Any:
    """A request of `count` spans."""
    request = ExportTraceServiceRequest()
    for _ in range(count):
        add_span(request, **fields)
    return request


def logs(**fields: Any) -> Any:
    """A request of one log record."""
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(**({"time_unix_nano": START} | fields))
    )
    record.body.string_value = "hello"
    return request


def metrics(**fields: Any) -> Any:
    """A request of one gauge point."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metric.gauge.data_points.add(**({"time_unix_nano": START, "as_int": 1} | fields))
    return request


def any_request(signal: Signal) -> Any:
    """A valid request of one record."""
    return {Signal.TRACES: traces, Signal.LOGS: logs, Signal.METRICS: metrics}[signal]()


def json_span(**fields: Any) -> dict[str, Any]:
    """A valid span as OTLP/JSON, save for what `fields` say."""
    n = next(_ids)
    return {
        "traceId": f"{n:032x}",
        "spanId": f"{n:016x}",
        "name": f"op {n}",
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(START + 1000),
    } | fields


def json_traces(*spans: dict[str, Any]) -> bytes:
    """An OTLP/JSON request."""
    scopes = [{"scope": {"name": "s"}, "spans": list(spans)}]
    return json.dumps({"resourceSpans": [{"scopeSpans": scopes}]}).encode()


def json_with_value(value_text: str) -> bytes:
    """A request whose span has one attribute `k` with this text as its AnyValue."""
    body = json_traces(json_span(attributes=[{"key": "k", "value": "VALUE"}]))
    return body.replace(b'"VALUE"', value_text.encode())
