from __future__ import annotations

import gc
import time
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats import otlp
from longpole.formats.rows import spans_of
from longpole.model.problem import Severity
from longpole.model.signals import Signal

TRACE, SPAN = bytes(range(16)), bytes(range(1, 9))


def request(*spans: dict[str, Any]) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    scope = made.resource_spans.add().scope_spans.add()
    for fields in spans:
        scope.spans.add(**{"trace_id": TRACE, "span_id": SPAN, **fields})
    return made


def decode(made: ExportTraceServiceRequest) -> Any:
    return otlp.decode(Signal.TRACES, made.SerializeToString())


@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_only_the_span_with_a_bad_trace_id_is_rejected(size: int) -> None:
    told = decode(request({"name": "a"}, {"trace_id": b"x" * size}, {"name": "b"}))
    assert [span.name for span in spans_of(told.tables)] == ["a", "b"]
    assert told.rejected == 1
    assert [(p.code, p.count, p.severity) for p in told.problems] == [
        ("invalid_trace_id", 1, Severity.LOSS)
    ]


def test_rejected_counts_are_exact_for_zero_ids() -> None:
    good: list[dict[str, Any]] = [{}] * 7
    told = decode(request(*good, {"trace_id": bytes(16)}, {"span_id": bytes(8)}, {"span_id": b""}))
    assert (told.accepted, told.rejected) == (7, 3)
    assert {p.code: p.count for p in told.problems} == {"invalid_trace_id": 1, "invalid_span_id": 2}
    again = otlp.decode(Signal.TRACES, told.body)
    assert (again.accepted, again.rejected, again.problems) == (7, 0, ())


def test_a_parent_id_of_wrong_length_makes_a_root_and_a_warning() -> None:
    told = decode(request({"parent_span_id": b"123"}))
    assert spans_of(told.tables)[0].parent_span_id == 0
    assert told.rejected == 0
    assert [p.code for p in told.problems] == ["invalid_parent_span_id"]
    assert told.problems[0].span_ids == (int.from_bytes(SPAN, "big"),)


def test_an_all_zero_parent_id_is_a_root_without_a_word() -> None:
    made = request({"parent_span_id": bytes(8)})
    told = decode(made)
    assert spans_of(told.tables)[0].parent_span_id == 0
    assert told.problems == ()
    assert told.body == made.SerializeToString()


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [(2**64 - 1, 2**64 - 1, 0), (5, 3, -2), (0, 2**64 - 1, -1), (2**63, 2**63 - 1, -1)],
)
def test_times_survive_as_twos_complement(start: int, end: int, duration: int) -> None:
    told = decode(request({"start_time_unix_nano": start, "end_time_unix_nano": end}))
    assert told.tables["spans"]["duration_ns"].to_pylist() == [duration]
    back = ExportTraceServiceRequest.FromString(otlp.encode(Signal.TRACES, told.tables))
    span = back.resource_spans[0].scope_spans[0].spans[0]
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (start, end)


def test_flags_and_unknown_enums_are_kept() -> None:
    told = decode(request({"flags": 2**32 - 1, "kind": 99}))
    span = spans_of(told.tables)[0]
    assert (span.flags, span.kind, span.name) == (2**32 - 1, 99, "")


def test_of_equal_attribute_keys_the_last_wins_across_types() -> None:
    made = request({})
    attributes = made.resource_spans[0].scope_spans[0].spans[0].attributes
    attributes.add(key="k").value.string_value = "first"
    attributes.add(key="k").value.int_value = 2
    assert spans_of(decode(made).tables)[0].attributes == {"k": 2}


def test_a_missing_service_name_is_unknown_and_the_resource_unchanged() -> None:
    span = spans_of(decode(request({})).tables)[0]
    assert span.service_name == "unknown_service"
    assert span.resource.attributes == {}


def test_equal_resources_are_one_row() -> None:
    made = request({})
    made.resource_spans[0].resource.attributes.add(key="a").value.int_value = 1
    made.MergeFromString(made.SerializeToString())
    assert decode(made).tables["resources"].num_rows == 1


def test_a_resource_without_accepted_spans_leaves_no_row() -> None:
    told = decode(request({"span_id": b""}))
    assert told.tables["resources"].num_rows == told.tables["scopes"].num_rows == 0


def test_string_table_indexes_are_emptied_with_a_warning() -> None:
    made = request({})
    pair = made.resource_spans[0].scope_spans[0].spans[0].attributes.add(key_strindex=3)
    pair.value.string_value_strindex = 4
    told = decode(made)
    assert spans_of(told.tables)[0].attributes == {"": None}
    assert [(p.code, p.count) for p in told.problems] == [("string_index_without_table", 2)]


@pytest.mark.parametrize("body", [b"", b"\x0a\x00", b"\xfa\x3e\x03abc"])
def test_empty_envelopes_and_unknown_fields_are_fine(body: bytes) -> None:
    told = otlp.decode(Signal.TRACES, body)
    assert (told.accepted, told.problems, told.body, told.has_time) == (0, (), body, False)


def test_has_time_says_whether_any_span_has_one() -> None:
    assert not decode(request({}, {})).has_time
    assert decode(request({}, {"end_time_unix_nano": 1})).has_time


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_truncated_request_is_malformed(cut: int) -> None:
    body = request({"name": "x" * 30}).SerializeToString()
    with pytest.raises(otlp.MalformedRequest, match="byte"):
        otlp.decode(Signal.TRACES, body[:-cut])


@pytest.mark.full
def test_ten_times_the_spans_take_about_ten_times_the_time() -> None:
    def seconds(count: int) -> float:
        made = ExportTraceServiceRequest()
        scope = made.resource_spans.add().scope_spans.add()
        for index in range(1, count + 1):
            span = scope.spans.add(trace_id=TRACE, span_id=index.to_bytes(8, "big"), name="op")
            for key in range(10):
                span.attributes.add(key=f"k{key}").value.int_value = key
        tables = decode(made).tables
        # Else the objects of other tests are looked through while these are made.
        gc.collect()
        gc.freeze()
        begin = time.process_time()
        assert len(spans_of(tables)) == count
        took = time.process_time() - begin
        gc.unfreeze()
        return took

    assert seconds(100_000) < 30 * seconds(10_000)
