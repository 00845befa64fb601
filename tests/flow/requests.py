"""OTLP requests made by hand, for load and for odd cases; protobuf bytes, ready to send."""

from __future__ import annotations

import random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

START = 1_767_323_045_000_000_000


def batch(
    chance: random.Random,
    traces: int = 1,
    spans_per_trace: int = 3,
    service: str = "load",
    start_unix_nano: int = START,
    padding: int = 0,
) -> tuple[bytes, list[tuple[str, str]]]:
    """A request and the (trace id, span id) pairs in it, in hex.

    Every trace is a root of 10 ms with children one after another that fill most of it.
    `padding` adds that many characters of incompressible text to each span.
    """
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    attribute = resource_spans.resource.attributes.add(key="service.name")
    attribute.value.string_value = service
    scope_spans = resource_spans.scope_spans.add()
    ids: list[tuple[str, str]] = []
    for number in range(traces):
        trace_id = chance.getrandbits(128).to_bytes(16, "big")
        start = start_unix_nano + number * 1000
        root_id = b""
        share = 10_000_000 // max(1, spans_per_trace)
        for index in range(spans_per_trace):
            span_id = (chance.getrandbits(64) | 1).to_bytes(8, "big")
            begins = start + (index - 1) * share if index else start
            span = scope_spans.spans.add(
                trace_id=trace_id,
                span_id=span_id,
                parent_span_id=root_id,
                name="root" if index == 0 else f"step {index}",
                kind=Span.SPAN_KIND_SERVER if index == 0 else Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=begins,
                end_time_unix_nano=begins + share if index else start + 10_000_000 + number,
            )
            span.attributes.add(key="load.index").value.int_value = index
            if padding:
                text = chance.randbytes(padding // 2).hex()
                span.attributes.add(key="load.padding").value.string_value = text
            root_id = root_id or span_id
            ids.append((trace_id.hex(), span_id.hex()))
    return request.SerializeToString(), ids


HEADERS = {"Content-Type": "application/x-protobuf"}
