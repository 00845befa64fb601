"""Checklist C: what both transports owe every exporter."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import grpc
import pytest
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from longpole.model.signals import Signal
from longpole.storage.ports import StorageUnavailable
from tests.collector import messages
from tests.collector.serving import JSON, TRACES, Served, Sink, serve

UNKNOWN_FIELD_999 = b"\xba\x3e\x03new"


@pytest.mark.parametrize("signal", list(Signal))
def test_C001_plain_requests_are_kept_on_both_transports(server: Served, signal: Signal) -> None:
    request = messages.any_request(signal)
    assert server.post(request.SerializeToString(), signal).status_code == 200
    server.export(request.SerializeToString(), signal)
    assert server.sink.requests(signal) == [request, request]


def test_C002_gzip_is_taken_on_both_transports(server: Served) -> None:
    request = messages.traces(50)
    body = request.SerializeToString()
    assert server.post(gzip.compress(body), content_encoding="gzip").status_code == 200
    server.export(body, compression=grpc.Compression.Gzip)
    assert server.sink.requests() == [request, request]


@pytest.mark.parametrize("encoding", ["zstd", "deflate"])
def test_C003_zstd_and_deflate_are_taken_on_http(server: Served, encoding: str) -> None:
    request = messages.traces(50)
    body = request.SerializeToString()
    if encoding == "zstd":
        half = len(body) // 2
        bodies = [
            zstandard.compress(body),
            zstandard.compress(body[:half]) + zstandard.compress(body[half:]),
        ]
    else:
        raw = zlib.compressobj(wbits=-15)
        bodies = [zlib.compress(body), raw.compress(body) + raw.flush()]
    for packed in bodies:
        assert server.post(packed, content_encoding=encoding).status_code == 200
    assert server.sink.requests() == [request, request]


def test_C004_an_empty_request_succeeds(server: Served) -> None:
    assert server.post(b"").status_code == 200
    assert server.post(b"{}", content_type=JSON).status_code == 200
    server.export(b"")


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans":[]}',
        b'{"resourceSpans":[{}]}',
        b'{"resourceSpans":[{"scopeSpans":[]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{}]}]}',
    ],
)
def test_C005_empty_envelopes_never_fail(server: Served, body: bytes) -> None:
    assert server.post(body, content_type=JSON).content == b"{}"


def test_C005_empty_protobuf_envelopes_never_fail(server: Served) -> None:
    assert server.post(b"\x0a\x00").content == b""
    assert not server.export(b"\x0a\x02\x12\x00").HasField("partial_success")


def test_C006_full_success_leaves_partial_success_unset(server: Served) -> None:
    body = messages.traces().SerializeToString()
    assert server.post(body).content == b""
    json_body = messages.json_traces(messages.json_span())
    assert server.post(json_body, content_type=JSON).content == b"{}"
    assert not server.export(body).HasField("partial_success")


def three_of_ten_bad() -> Any:
    request = messages.traces(7)
    for _ in range(3):
        messages.add_span(request, trace_id=bytes(16))
    return request


def test_C007_rejected_spans_are_counted_exactly_and_the_others_kept(server: Served) -> None:
    body = three_of_ten_bad().SerializeToString()
    response = server.post(body)
    assert response.status_code == 200
    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == 3
    assert server.export(body).partial_success.rejected_spans == 3
    assert [t.accepted for t in server.sink.kept] == [7, 7]
    assert len(server.sink.spans()) == 14


def test_C007_rejected_data_points_are_counted_exactly(server: Served) -> None:
    request = messages.metrics()
    gauge = request.resource_metrics[0].scope_metrics[0].metrics[0].gauge
    gauge.data_points.add(time_unix_nano=0, as_int=2)
    answer = server.export(request.SerializeToString(), Signal.METRICS)
    assert answer.partial_success.rejected_data_points == 1
    assert server.sink.kept[0].accepted == 1


def test_C008_the_message_names_count_and_reason(server: Served) -> None:
    answer = server.export(three_of_ten_bad().SerializeToString())
    message = answer.partial_success.error_message
    assert "3 of 10 spans were rejected" in message
    assert "trace id" in message.lower() or "trace_id" in message


def test_C009_a_warning_on_full_acceptance_rejects_nothing(server: Served) -> None:
    # A parent id of a wrong length makes the span a root, and its sender should know.
    answer = server.export(messages.traces(parent_span_id=b"abc").SerializeToString())
    assert answer.partial_success.rejected_spans == 0
    assert answer.partial_success.error_message
    assert server.sink.kept[0].accepted == 1


def test_C010_rejected_items_never_make_a_retryable_error(server: Served) -> None:
    body = messages.traces(3, trace_id=b"").SerializeToString()
    assert server.post(body).status_code == 200
    assert server.export(body).partial_success.rejected_spans == 3


def with_unknown_fields(data: bytes) -> bytes:
    """A request of one span with field 999 in each of its nested messages."""

    def nested(tag: int, payload: bytes) -> bytes:
        assert len(payload) < 128
        return bytes([tag, len(payload)]) + payload

    span = nested(0x12, data + UNKNOWN_FIELD_999)
    scope_spans = nested(0x12, span + UNKNOWN_FIELD_999)
    return nested(0x0A, scope_spans + UNKNOWN_FIELD_999) + UNKNOWN_FIELD_999


def test_C011_unknown_fields_are_ignored_at_every_level(server: Served) -> None:
    span = messages.traces().resource_spans[0].scope_spans[0].spans[0]
    server.export(with_unknown_fields(span.SerializeToString()))
    (kept,) = server.sink.spans()
    kept.DiscardUnknownFields()
    assert kept == span


def test_C012_fields_of_later_versions_are_taken_or_ignored(server: Served) -> None:
    """Span.flags and Link.flags (1.1), event_name (1.5), entity_refs (1.9); then fields that
    no version has yet: AnyValue 15, Resource 15 and Span 30, as bytes on the wire."""
    request = messages.traces(flags=0x101)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, flags=0x300)
    refs = request.resource_spans[0].resource.entity_refs
    refs.add(type="service", id_keys=["service.name"])
    server.export(request.SerializeToString())
    (kept,) = server.sink.spans()
    assert (kept.flags, kept.links[0].flags) == (0x101, 0x300)
    server.sink.clear()
    logs = messages.logs(event_name="shop.checkout")
    server.export(logs.SerializeToString(), Signal.LOGS)
    assert server.sink.column("logs", "event_name") == ["shop.checkout"]
    future_value = b"\x7a\x03new"  # field 15
    attribute = b"\x0a\x01k\x12" + bytes([len(future_value)]) + future_value
    span_bytes = messages.traces().resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    span_bytes += b"\x4a" + bytes([len(attribute)]) + attribute + b"\xf2\x01\x03new"
    server.sink.clear()
    server.export(with_unknown_fields(span_bytes))
    assert len(server.sink.spans()) == 1


def test_C012_requests_of_the_first_stable_version_are_taken(server: Served) -> None:
    """Version 1.0 knew no flags and no entity references: neither field is on the wire."""
    request = messages.traces()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    names = {field.name for field, _ in span.ListFields()}
    assert "flags" not in names
    server.export(request.SerializeToString())
    assert server.sink.requests() == [request]


def test_C013_a_repeated_request_is_answered_like_the_first(server: Served) -> None:
    body = messages.traces().SerializeToString()
    assert [server.post(body).status_code for _ in range(3)] == [200, 200, 200]


def test_C014_a_store_that_is_not_ready_means_come_back_soon() -> None:
    sink = Sink(failure=StorageUnavailable("replaying /var/lib/x"))
    with serve(sink) as server:
        response = server.post(messages.traces().SerializeToString())
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert b"/var/lib" not in response.content
        sink.failure = None
        assert server.post(messages.traces().SerializeToString(), TRACES).status_code == 200
