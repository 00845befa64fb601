from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from longpole.formats import any_value, request_weight
from longpole.formats.request_weight import RequestTooHeavy


def one_span(**fields: Any) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(**fields)
    return request


def check(request: Any, **limits: int) -> None:
    request_weight.check(type(request), request.SerializeToString(), **limits)


def test_every_field_is_counted() -> None:
    # Resource, scope, span, name.
    check(one_span(name="x"), max_fields=4)
    with pytest.raises(RequestTooHeavy, match="more than 3 attributes"):
        check(one_span(name="x"), max_fields=3)


def test_the_numbers_of_a_packed_list_are_counted() -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    metric.histogram.data_points.add(bucket_counts=[0] * 100, explicit_bounds=[0.0] * 100)
    check(request, max_fields=207)
    with pytest.raises(RequestTooHeavy):
        check(request, max_fields=206)


def test_wrapped_values_are_looked_into() -> None:
    inner = AnyValue()
    for _ in range(50):
        inner.array_value.values.add()
    request = one_span()
    value = request.resource_spans[0].scope_spans[0].spans[0].attributes.add().value
    value.MergeFromString(any_value.wrap_bytes(inner.SerializeToString()))
    with pytest.raises(RequestTooHeavy):
        check(request, max_fields=50)


@pytest.mark.parametrize(("text", "factor"), [("a", 1), ("é", 2), ("😀", 4)])
def test_text_weighs_what_it_takes_in_memory(text: str, factor: int) -> None:
    request = one_span(name="n" * 100_000 + text)
    size = 100_000 + len(text.encode())
    check(request, max_text_bytes=factor * size)
    with pytest.raises(RequestTooHeavy, match="value length limit"):
        check(request, max_text_bytes=factor * size - 1)


def test_a_broken_body_is_left_to_the_decoder() -> None:
    body = one_span(name="x" * 50).SerializeToString()
    request_weight.check(ExportTraceServiceRequest, body[:-1])


def test_json_is_weighed_by_its_brackets_commas_and_text() -> None:
    body = b'{"a":[1,2,3,{}]}'
    weight = 3 * 200 + 3 * 100 + len(body)
    request_weight.check_json(body, weight)
    with pytest.raises(RequestTooHeavy, match="send protobuf"):
        request_weight.check_json(body, weight - 1)


@pytest.mark.parametrize("text", [b"{[,{[,", rb"\",{[,", rb"\\\",[", rb"\\\\", rb"\t,[{"])
def test_what_stands_in_json_strings_is_only_text(text: bytes) -> None:
    body = b'{"%b":["%b","%b"]}' % (text, text, text)
    weight = 2 * 200 + 100 + len(body)
    request_weight.check_json(body, weight)
    with pytest.raises(RequestTooHeavy):
        request_weight.check_json(body, weight - 1)


@pytest.mark.parametrize("text", ["é", "я", "😀", r"\n\u044f", r"\\\ud83d\ude00"])
def test_one_wide_character_makes_its_whole_string_wide(text: str) -> None:
    wide = ("n" * 1000 + text).encode()
    body = b'["%b","%b",{"%b":"y"}]' % (b"x" * 1000, wide, b"z" * 1000)
    light, heavy = 2 * 200 + 2 * 100 + len(body) + 5000, 600 + len(body) + 5200
    request_weight.check_json(body, heavy)
    with pytest.raises(RequestTooHeavy):
        request_weight.check_json(body, light)


def test_escapes_within_ascii_make_no_string_wide() -> None:
    body = rb'["\n\t\\u00e9\"",1]'
    request_weight.check_json(body, 200 + 100 + len(body))
