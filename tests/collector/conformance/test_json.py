"""Checklist J: OTLP/JSON, sent to a real server and read back from a store."""

from __future__ import annotations

import base64
import json
import math
import time
from typing import Any

import httpx
import pytest

from longpole.model.signals import Signal
from longpole.model.span import Span
from tests.collector import messages
from tests.collector.messages import json_span, json_traces, json_with_value
from tests.collector.serving import JSON, TRACES, Served, status_of

START = messages.START


def send(server: Served, body: bytes, signal: Signal = TRACES) -> httpx.Response:
    return server.post(body, signal, content_type=JSON)


def stored_one(server: Served, body: bytes) -> Span:
    answer = send(server, body)
    assert answer.status_code == 200, answer.content
    (span,) = server.sink.stored()
    return span


def stored_value(server: Served, value: str) -> Any:
    return stored_one(server, json_with_value(value)).attributes["k"]


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_J001_ids_are_hex_in_any_case(server: Served, change: Any) -> None:
    trace_id, span_id, parent = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "0a" * 8
    link = {"traceId": change("ab" * 16), "spanId": change("cd" * 8)}
    span = stored_one(
        server,
        json_traces(
            json_span(
                traceId=change(trace_id),
                spanId=change(span_id),
                parentSpanId=change(parent),
                links=[link],
            )
        ),
    )
    assert (span.trace_id, span.span_id) == (int(trace_id, 16), int(span_id, 16))
    assert span.parent_span_id == int(parent, 16)
    assert span.links[0].trace_id == int("ab" * 16, 16)


@pytest.mark.parametrize("variant", ["std", "std-bare", "url", "url-bare"])
def test_J002_bytes_are_base64_in_four_spellings(server: Served, variant: str) -> None:
    raw = bytes([0xFB, 0xEF, 0xFF, 0x00])
    encode = base64.b64encode if variant.startswith("std") else base64.urlsafe_b64encode
    text = encode(raw).decode()
    text = text.rstrip("=") if variant.endswith("bare") else text
    assert stored_value(server, json.dumps({"bytesValue": text})) == raw


@pytest.mark.parametrize("kind", [2, "SPAN_KIND_SERVER"])
def test_J003_enums_are_integers_and_names_are_forgiven(server: Served, kind: Any) -> None:
    assert stored_one(server, json_traces(json_span(kind=kind))).kind == 2


def test_J004_unknown_fields_are_ignored_at_every_level(server: Served) -> None:
    body = json.loads(json_traces(json_span(new={"a": [1]})))
    body["new"] = 1
    body["resourceSpans"][0]["new"] = {"x": None}
    body["resourceSpans"][0]["scopeSpans"][0]["new"] = [[]]
    assert stored_one(server, json.dumps(body).encode()).name


def test_J005_snake_case_keys_are_forgiven(server: Served) -> None:
    span = json_span()
    span["start_time_unix_nano"] = span.pop("startTimeUnixNano")
    assert stored_one(server, json_traces(span)).start_unix_nano == START


@pytest.mark.parametrize("text", ['"123"', "123"])
def test_J006_integers_are_strings_or_numbers(server: Served, text: str) -> None:
    value = stored_value(server, f'{{"intValue":{text}}}')
    assert (value, type(value)) == (123, int)


def test_J006_times_are_strings_or_numbers(server: Served) -> None:
    span = stored_one(server, json_traces(json_span(startTimeUnixNano=START)))
    assert span.start_unix_nano == START


def test_J007_numbers_above_2_to_53_are_exact(server: Served) -> None:
    assert stored_value(server, '{"intValue":9007199254740993}') == 9007199254740993


def test_J008_an_integer_out_of_range_is_kept_as_a_double(server: Served) -> None:
    assert stored_value(server, '{"intValue":1e+21}') == 1e21
    assert server.sink.kept[0].rejected == 0


def test_J009_nan_and_infinity_are_strings(server: Served) -> None:
    assert stored_value(server, '{"doubleValue":"-Infinity"}') == -math.inf
    server.sink.clear()
    assert math.isnan(stored_value(server, '{"doubleValue":"NaN"}'))
    assert send(server, json_with_value('{"doubleValue":NaN}')).status_code == 400


def test_J010_null_is_absent(server: Served) -> None:
    span = stored_one(
        server, json_traces(json_span(attributes=None, kind=None, links=None, parentSpanId=None))
    )
    assert (span.kind, span.parent_span_id, span.links) == (0, 0, ())


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (b'{"resourceSpans":[],"resourceSpans":[]}', {200}),
        (json_with_value('{"stringValue":"\\ud800"}'), {200}),
        (b"\xef\xbb\xbf{}", {200}),
        ("{}".encode("utf-16"), {400}),
    ],
)
def test_J011_odd_texts_have_a_defined_outcome(
    server: Served, body: bytes, codes: set[int]
) -> None:
    answers = [send(server, body) for _ in range(2)]
    assert answers[0].status_code in codes
    assert answers[0].status_code == answers[1].status_code


def nested(depth: int, kind: str) -> str:
    if kind == "array":
        return '{"arrayValue":{"values":[' * depth + '{"intValue":"7"}' + "]}}" * depth
    head = '{"kvlistValue":{"values":[{"key":"k","value":'
    return head * depth + '{"intValue":"7"}' + "}]}}" * depth


@pytest.mark.parametrize("kind", ["array", "map"])
def test_J012_depth_64_is_kept_and_10_000_is_refused_fast(server: Served, kind: str) -> None:
    value = stored_value(server, nested(64, kind))
    depth = 0
    while value != 7:
        value = value[0] if kind == "array" else value["k"]
        depth += 1
    assert depth == 64
    started = time.monotonic()
    answer = send(server, json_with_value(nested(10_000, kind)))
    assert answer.status_code == 400
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("trace_id", ["", "00" * 16, "ab", "ab" * 15, "ab" * 17, "xy" * 16])
def test_J013_invalid_ids_reject_that_span_only(server: Served, trace_id: str) -> None:
    good = json_span()
    answer = send(server, json_traces(json_span(traceId=trace_id), good))
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    (kept,) = server.sink.stored()
    assert kept.name == good["name"]


def test_J014_counts_in_responses_are_strings_under_camel_case_keys(server: Served) -> None:
    answer = send(server, json_traces(*[json_span(spanId="")] * 3))
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "3"
    assert set(partial) == {"rejectedSpans", "errorMessage"}


def test_J015_a_request_with_every_part_of_each_signal_is_kept(server: Served) -> None:
    span = json_span(
        kind=2,
        attributes=[{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
        events=[{"timeUnixNano": str(START), "name": "event"}],
        status={"code": 2, "message": "bad"},
    )
    kept = stored_one(server, json_traces(span))
    assert kept.attributes == {"my.span.attr": "some value"}
    assert (kept.events[0].name, kept.status_code, kept.status_message) == ("event", 2, "bad")
    record = {
        "timeUnixNano": str(START),
        "severityNumber": 10,
        "severityText": "Information",
        "eventName": "browser.page_view",
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "body": {"stringValue": "Example log record"},
    }
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    assert send(server, json.dumps(logs).encode(), Signal.LOGS).content == b"{}"
    assert server.sink.column("logs", "event_name") == ["browser.page_view"]
    assert server.sink.column("logs", "span_id") == [0xEEE19B7EC3C1B174]
    times = {"startTimeUnixNano": str(START - 9), "timeUnixNano": str(START)}
    histogram = times | {
        "count": 2, "sum": 2, "bucketCounts": ["1", "1"], "explicitBounds": [1], "min": 0, "max": 2,
    }  # fmt: skip
    exponential = times | {
        "count": 3, "sum": 10, "scale": 0, "zeroCount": 1,
        "positive": {"offset": 1, "bucketCounts": [0, 2]},
    }  # fmt: skip
    metrics = [
        {"name": "c", "sum": {"aggregationTemporality": 1, "isMonotonic": True,
                              "dataPoints": [times | {"asDouble": 5}]}},
        {"name": "g", "gauge": {"dataPoints": [times | {"asInt": "10"}]}},
        {"name": "h", "histogram": {"aggregationTemporality": 1, "dataPoints": [histogram]}},
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 1,
                                               "dataPoints": [exponential]}},
    ]  # fmt: skip
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    assert send(server, json.dumps(body).encode(), Signal.METRICS).content == b"{}"
    assert server.sink.kept[-1].accepted == 4


def test_J016_a_big_json_request_is_taken(server: Served) -> None:
    """The memory that it needs is measured in test_hostile."""
    spans = [json_span(name="n" * 100_000) for _ in range(100)]
    assert send(server, json_traces(*spans)).content == b"{}"
    assert server.sink.kept[0].accepted == 100


def test_J017_empty_values_are_kept_and_the_last_of_two_wins(server: Served) -> None:
    assert stored_value(server, "{}") is None
    server.sink.clear()
    assert stored_value(server, '{"intValue":"1","stringValue":"two"}') == "two"


def test_a_refusal_says_where_the_json_is_wrong(server: Served) -> None:
    answer = send(server, b'{"resourceSpans": 5}')
    assert answer.status_code == 400
    assert "resourceSpans" in status_of(answer)[1]
