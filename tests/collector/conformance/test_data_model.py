"""Checklist D: what OpenTelemetry's data model asks of a store, through the real server."""

from __future__ import annotations

from typing import Any

import pytest

from longpole.model.signals import Signal
from longpole.model.span import Span
from tests.collector import messages
from tests.collector.serving import LOGS, METRICS, Served

U64 = (1 << 64) - 1
START = messages.START


def stored_one(server: Served, request: Any) -> Span:
    server.export(request.SerializeToString())
    (span,) = server.sink.stored()
    return span


def rejected(server: Served, request: Any, signal: Signal) -> int:
    partial = server.export(request.SerializeToString(), signal).partial_success
    return sum(value for field, value in partial.ListFields() if field.name.startswith("rejected"))


@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_D001_a_trace_id_of_a_wrong_length_rejects_that_span_only(
    server: Served, size: int
) -> None:
    request = messages.traces(2)
    messages.add_span(request, trace_id=b"x" * size)
    partial = server.export(request.SerializeToString()).partial_success
    assert partial.rejected_spans == 1
    assert len(server.sink.stored()) == 2


@pytest.mark.parametrize("fields", [{"trace_id": bytes(16)}, {"span_id": bytes(8)}])
def test_D001_zero_ids_reject_that_span_only(server: Served, fields: Any) -> None:
    request = messages.traces(2)
    messages.add_span(request, **fields)
    assert server.export(request.SerializeToString()).partial_success.rejected_spans == 1
    assert len(server.sink.stored()) == 2


@pytest.mark.parametrize("parent", [b"", b"abc", b"x" * 9])
def test_D002_a_span_without_a_valid_parent_is_a_root(server: Served, parent: bytes) -> None:
    request = messages.traces(parent_span_id=parent)
    partial = server.export(request.SerializeToString()).partial_success
    (span,) = server.sink.stored()
    assert (span.parent_span_id, partial.rejected_spans) == (0, 0)
    assert bool(partial.error_message) == bool(parent)


def test_D003_all_flags_are_kept(server: Served) -> None:
    assert stored_one(server, messages.traces(flags=0xFFFFFFFF)).flags == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("start", "end"), [(START, START - 5), (0, 0), (1 << 63, U64), (START, START + 10**18)]
)
def test_D004_odd_times_are_kept_as_they_are(server: Served, start: int, end: int) -> None:
    span = stored_one(server, messages.traces(start_time_unix_nano=start, end_time_unix_nano=end))
    assert (span.start_unix_nano & U64, span.end_unix_nano & U64) == (start, end)


@pytest.mark.parametrize("kind", [0, 99])
def test_D005_unknown_kinds_are_kept(server: Served, kind: int) -> None:
    assert stored_one(server, messages.traces(kind=kind)).kind == kind


def test_D006_attributes_of_every_type_are_kept(server: Served) -> None:
    request = messages.traces()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="s").value.string_value = "text"
    span.attributes.add(key="b").value.bool_value = True
    span.attributes.add(key="i").value.int_value = -5
    span.attributes.add(key="d").value.double_value = 0.5
    span.attributes.add(key="y").value.bytes_value = b"\x00\xff"
    array = span.attributes.add(key="a").value.array_value.values
    array.add().int_value = 1
    array.add().string_value = "x"
    array.add()
    span.attributes.add(key="m").value.kvlist_value.values.add(key="k").value.bool_value = False
    span.attributes.add(key="e").value.SetInParent()
    assert stored_one(server, request).attributes == {
        "s": "text", "b": True, "i": -5, "d": 0.5, "y": b"\x00\xff",
        "a": [1, "x", None], "m": {"k": False}, "e": None,
    }  # fmt: skip


def test_D007_the_last_of_equal_keys_wins(server: Served) -> None:
    request = messages.traces()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="k").value.string_value = "first"
    span.attributes.add(key="k").value.int_value = 2
    assert stored_one(server, request).attributes == {"k": 2}


def test_D008_string_table_indexes_outside_profiles_are_a_warning(server: Served) -> None:
    """AnyValue field 8 is string_value_strindex; a span cannot have a string table."""
    attribute = b"\x0a\x01k\x12\x02\x40\x07"
    span = messages.traces().resource_spans[0].scope_spans[0].spans[0].SerializeToString()
    span += b"\x4a" + bytes([len(attribute)]) + attribute
    scope = b"\x12" + bytes([len(span)]) + span
    resource = b"\x12" + bytes([len(scope)]) + scope
    partial = server.export(b"\x0a" + bytes([len(resource)]) + resource).partial_success
    assert partial.rejected_spans == 0
    (stored,) = server.sink.stored()
    assert stored.attributes.get("k") in (None, "")


def test_D009_missing_names_have_a_meaning(server: Served) -> None:
    request = messages.traces(name="")
    request.resource_spans[0].resource.Clear()
    span = stored_one(server, request)
    assert (span.name, span.service_name) == ("", "unknown_service")


def test_D010_a_log_record_with_invalid_ids_is_kept_without_them(server: Served) -> None:
    request = messages.logs(
        trace_id=b"short", span_id=b"x", time_unix_nano=0, observed_time_unix_nano=START
    )
    assert rejected(server, request, LOGS) == 0
    assert server.sink.column("logs", "trace_lo") == [0]
    assert server.sink.column("logs", "span_id") == [0]
    assert server.sink.column("logs", "severity_number") == [0]
    assert server.sink.column("logs", "observed_time_unix_nano") == [START]


def test_D011_points_without_time_or_temporality_are_rejected(server: Served) -> None:
    request = messages.metrics()
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    metrics[0].gauge.data_points.add(as_int=1)
    metrics.add(name="sum").sum.data_points.add(time_unix_nano=START, as_int=1)
    metrics.add(name="none").gauge.data_points.add(time_unix_nano=START, flags=1)
    assert rejected(server, request, METRICS) == 2
    assert server.sink.kept[0].accepted == 2


@pytest.mark.parametrize(
    ("counts", "bounds", "total"),
    [([1, 2], [1.0, 2.0], 3), ([1, 1, 1], [2.0, 1.0], 3), ([1, 1], [1.0], 5)],
)
def test_D012_a_histogram_of_a_wrong_shape_is_rejected_alone(
    server: Served, counts: list[int], bounds: list[float], total: int
) -> None:
    request = messages.metrics()
    metric = request.resource_metrics[0].scope_metrics[0].metrics.add(name="h")
    metric.histogram.aggregation_temporality = 2
    point = metric.histogram.data_points.add(time_unix_nano=START, count=total)
    point.bucket_counts.extend(counts)
    point.explicit_bounds.extend(bounds)
    metric.histogram.data_points.add(
        time_unix_nano=START, count=3, bucket_counts=[1, 2], explicit_bounds=[1.0]
    )
    assert rejected(server, request, METRICS) == 1
    assert server.sink.kept[0].accepted == 2


def test_D013_both_temporalities_are_kept(server: Served) -> None:
    request = messages.metrics()
    metrics = request.resource_metrics[0].scope_metrics[0].metrics
    for temporality in (1, 2):
        total = metrics.add(name=f"s{temporality}").sum
        total.aggregation_temporality = temporality
        total.data_points.add(time_unix_nano=START, start_time_unix_nano=1, as_int=1)
    assert rejected(server, request, METRICS) == 0
    (kept,) = server.sink.requests(METRICS)
    kept_metrics = kept.resource_metrics[0].scope_metrics[0].metrics
    assert [m.sum.aggregation_temporality for m in kept_metrics[1:]] == [1, 2]


def test_D014_dropped_counts_are_kept(server: Served) -> None:
    top = (1 << 32) - 1
    span = stored_one(
        server,
        messages.traces(
            dropped_attributes_count=1, dropped_events_count=2, dropped_links_count=top
        ),
    )
    assert span.dropped_attributes_count == 1
    assert (span.dropped_events_count, span.dropped_links_count) == (2, top)


def test_D015_schema_urls_and_attributes_of_scope_and_resource_are_kept(server: Served) -> None:
    request = messages.traces()
    resource = request.resource_spans[0]
    resource.schema_url = "https://example/1"
    resource.resource.attributes.add(key="host").value.string_value = "h"
    scope = resource.scope_spans[0]
    scope.schema_url = "https://example/2"
    scope.scope.name, scope.scope.version = "lib", "1.2"
    scope.scope.attributes.add(key="x").value.int_value = 1
    span = stored_one(server, request)
    assert (span.resource.schema_url, span.scope.schema_url) == (
        "https://example/1",
        "https://example/2",
    )
    assert span.resource.attributes == {"service.name": "shop", "host": "h"}
    assert (span.scope.name, span.scope.version, span.scope.attributes) == ("lib", "1.2", {"x": 1})


@pytest.mark.parametrize("value", [(1 << 63) - 1, -(1 << 63), 0])
def test_D016_extreme_integers_are_kept(server: Served, value: int) -> None:
    request = messages.traces(start_time_unix_nano=U64, end_time_unix_nano=U64)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="k").value.int_value = value
    stored = stored_one(server, request)
    assert stored.attributes == {"k": value}
    assert stored.start_unix_nano & U64 == U64
