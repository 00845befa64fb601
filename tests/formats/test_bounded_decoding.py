from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1 import metrics_pb2

from longpole.formats import bounded_decoding, otlp
from longpole.formats.malformed import MalformedRequest
from longpole.formats.otlp_json import json_of_request
from longpole.formats.request_slices import MAX_REPEATED_BYTES, slices
from longpole.formats.request_weight import RequestTooHeavy
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from tests.formats.comparison import check_body, identical
from tests.formats.requests import log_requests, metric_requests, trace_requests

REQUESTS = {
    Signal.TRACES: trace_requests,
    Signal.LOGS: log_requests,
    Signal.METRICS: metric_requests,
}
any_request = st.sampled_from(list(Signal)).flatmap(
    lambda signal: st.tuples(st.just(signal), REQUESTS[signal])
)
mutations = st.lists(
    st.tuples(st.integers(0, 2**16), st.integers(0, 2), st.binary(max_size=4)), max_size=3
)
sizes = st.sampled_from([1, 30, 100, 300])
relaxed = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def mutated(body: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, how, new in changes:
        at = place % (len(body) + 1)
        body = body[:at] + new + body[at + (len(new) if how else 0) + (how == 2) :]
    return body


def outcome(decode: Any, *arguments: Any) -> Telemetry | None:
    try:
        return decode(*arguments)  # type: ignore[no-any-return]
    except MalformedRequest:
        return None


def same(whole: Telemetry | None, cut: Telemetry | None) -> None:
    if whole is None or cut is None:
        assert whole is cut
        return
    assert identical(whole.tables, cut.tables)
    assert cut.rejected == whole.rejected
    assert cut.has_time == whole.has_time
    assert {problem.code for problem in cut.problems} == {p.code for p in whole.problems}
    if not whole.problems:
        assert cut.body == whole.body
    check_body(cut, otlp.decode(cut.signal, cut.body))


def cutting_changes_nothing(signal: Signal, body: bytes, size: int) -> None:
    same(outcome(otlp.decode, signal, body), outcome(bounded_decoding.decode, signal, body, size))


def cutting_json_changes_nothing(signal: Signal, body: bytes, size: int) -> None:
    cut = outcome(bounded_decoding.decode_json, signal, body, size)
    same(outcome(otlp.decode_json, signal, body), cut)


@settings(relaxed, max_examples=25)
@given(any_request, mutations, sizes)
def test_what_is_decoded_in_slices_is_what_is_decoded_at_once(
    case: tuple[Signal, Any], changes: list[tuple[int, int, bytes]], size: int
) -> None:
    signal, request = case
    body = request.SerializeToString()
    cutting_changes_nothing(signal, body, size)
    cutting_changes_nothing(signal, mutated(body, changes), size)


@settings(relaxed, max_examples=25)
@given(any_request, sizes)
def test_json_that_is_decoded_in_slices_means_the_same(case: tuple[Signal, Any], size: int) -> None:
    signal, request = case
    cutting_json_changes_nothing(signal, json_of_request(request), size)


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(relaxed, max_examples=3000)
@given(any_request, mutations, sizes)
def test_slices_with_many_examples(
    case: tuple[Signal, Any], changes: list[tuple[int, int, bytes]], size: int
) -> None:
    signal, request = case
    cutting_changes_nothing(signal, mutated(request.SerializeToString(), changes), size)


def spans(count: int, resource: bytes = b"") -> bytes:
    request = ExportTraceServiceRequest()
    owner = request.resource_spans.add()
    owner.resource.attributes.add(key="padding").value.bytes_value = resource
    scope = owner.scope_spans.add()
    for number in range(1, count + 1):
        scope.spans.add(trace_id=bytes([1]) * 16, span_id=number.to_bytes(8, "big"), name="x" * 40)
    return request.SerializeToString()


def test_no_slice_is_larger_than_asked_when_records_are_small() -> None:
    body = spans(5000)
    pieces = list(slices(Signal.TRACES, body, 10_000))
    assert len(pieces) > len(body) // 10_000
    assert max(map(len, pieces)) < 10_100
    assert sum(otlp.decode(Signal.TRACES, piece).accepted for piece in pieces) == 5000


def test_the_points_of_one_metric_are_cut_apart() -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m", unit="s")
    metric.sum.aggregation_temporality = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
    metric.sum.is_monotonic = True
    for number in range(2000):
        point = metric.sum.data_points.add(time_unix_nano=1, as_int=number)
        point.attributes.add(key="k").value.int_value = number % 7
    body = request.SerializeToString()
    assert max(map(len, slices(Signal.METRICS, body, 4000))) < 4100
    cutting_changes_nothing(Signal.METRICS, body, 4000)
    whole = bounded_decoding.decode(Signal.METRICS, body, 4000)
    assert whole.tables["metric_series"].num_rows == 7
    assert whole.tables["metric_points"]["row_id"].to_pylist() == list(range(2000))


def test_too_many_records_are_refused() -> None:
    assert list(slices(Signal.TRACES, spans(97), 1000, max_records=100))
    with pytest.raises(RequestTooHeavy, match="more than 100 records"):
        list(slices(Signal.TRACES, spans(98), 1000, max_records=100))


def test_a_giant_resource_is_taken_with_few_spans_and_refused_with_many() -> None:
    resource = bytes(MAX_REPEATED_BYTES)
    few = bounded_decoding.decode(Signal.TRACES, spans(10, resource))
    assert few.accepted == 10
    with pytest.raises(RequestTooHeavy, match="describes more records"):
        bounded_decoding.decode(Signal.TRACES, spans(10_000, resource))


def test_rows_that_outgrow_their_room_are_refused() -> None:
    body = spans(5000)
    size = sum(table.nbytes for table in otlp.decode(Signal.TRACES, body).tables.values())
    assert bounded_decoding.decode(Signal.TRACES, body, 10_000, size + 10_000).accepted == 5000
    with pytest.raises(RequestTooHeavy, match="Lower the sender's batch size"):
        bounded_decoding.decode(Signal.TRACES, body, 10_000, size - 10_000)


def test_what_is_odd_in_many_slices_is_counted_once_for_all() -> None:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(1, 401):
        span = scope.spans.add(trace_id=bytes([1]) * 16, span_id=number.to_bytes(8, "big"))
        span.parent_span_id = b"odd" if number % 2 else b""
        scope.spans.add(name="without ids")
    body = request.SerializeToString()
    cut, whole = (
        bounded_decoding.decode(Signal.TRACES, body, 1000),
        otlp.decode(Signal.TRACES, body),
    )
    assert set(cut.problems) == set(whole.problems)
    assert cut.rejected == 400
    check_body(cut, otlp.decode(Signal.TRACES, cut.body))


def test_a_giant_record_that_is_no_utf_8_is_refused() -> None:
    good = spans(1, b"").replace(b"x" * 40, b"y" * 40)
    assert bounded_decoding.decode(Signal.TRACES, good, 10).accepted == 1
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="n" * (5 << 20))
    span.trace_id, span.span_id = bytes([1]) * 16, bytes([1]) * 8
    body = request.SerializeToString()
    assert bounded_decoding.decode(Signal.TRACES, body).accepted == 1
    with pytest.raises(RequestTooHeavy, match="not UTF-8"):
        bounded_decoding.decode(Signal.TRACES, body.replace(b"nnnn", b"\xff\xff\xff\xff", 1))
