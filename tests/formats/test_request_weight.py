from __future__ import annotations

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats import request_weight
from longpole.formats.request_weight import RequestTooHeavy
from longpole.model.signals import Signal


def spans(count: int) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for _ in range(count):
        scope.spans.add(name="x")
    return request.SerializeToString()


def test_as_many_records_as_allowed_pass() -> None:
    # The resource and the scope count too.
    request_weight.check(Signal.TRACES, spans(18), max_records=20)
    with pytest.raises(RequestTooHeavy, match="more than 20 records"):
        request_weight.check(Signal.TRACES, spans(19), max_records=20)


def test_metric_points_are_counted_at_their_depth() -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    for _ in range(30):
        metric.sum.data_points.add(as_int=1)
    body = request.SerializeToString()
    request_weight.check(Signal.METRICS, body, max_records=34)
    with pytest.raises(RequestTooHeavy):
        request_weight.check(Signal.METRICS, body, max_records=33)


@pytest.mark.parametrize("part", [b"\x4a\x00", b"\x4a\x02\x0a\x00"])
def test_millions_of_empty_attributes_are_refused(part: bytes) -> None:
    with pytest.raises(RequestTooHeavy, match="nearly empty"):
        request_weight.check(Signal.TRACES, part * 5_000, max_parts=4_000)


def test_a_broken_body_is_left_to_the_decoder() -> None:
    request_weight.check(Signal.TRACES, spans(50)[:-1] + b"\xff" * 50, max_records=100)


def test_json_is_weighed_by_its_brackets() -> None:
    request_weight.check_json(b"{" * 5 + b"[" * 5, max_objects=10)
    with pytest.raises(RequestTooHeavy):
        request_weight.check_json(b"{" * 5 + b"[" * 6, max_objects=10)
