from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from longpole.formats import otlp
from longpole.formats.any_value import TOO_DEEP
from longpole.formats.rows import logs_of, spans_of
from longpole.model.signals import Signal
from longpole.model.span import Span

FIXTURES = Path(__file__).parent / "fixtures"
SPAN = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174"}


def decode(*spans: object) -> Any:
    tree = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}
    return otlp.decode_json(Signal.TRACES, orjson.dumps(tree))


def one(**fields: object) -> Span:
    told = decode({**SPAN, **fields})
    assert told.rejected == 0
    return spans_of(told.tables)[0]


def value(tree: str) -> tuple[Any, Any]:
    body = (
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",'
        '"spanId":"eee19b7ec3c1b174","attributes":[{"key":"k","value":' + tree + "}]}]}]}]}"
    )
    told = otlp.decode_json(Signal.TRACES, body.encode())
    return spans_of(told.tables)[0].attributes["k"], [p.code for p in told.problems]


def test_ids_are_hex_in_any_case() -> None:
    span = one(parentSpanId="EEE19B7EC3C1B173")
    assert span.trace_id == 0x5B8EFFF798038103D269B633813FC60C
    assert span.parent_span_id == 0xEEE19B7EC3C1B173


@pytest.mark.parametrize("bad", ["", "0" * 32, "zz", "5B8EFFF7980381", "W47/95gDgQPSabYzgT/GDA=="])
def test_a_bad_trace_id_rejects_only_its_span(bad: str) -> None:
    told = decode({**SPAN, "traceId": bad}, SPAN)
    assert (told.accepted, told.rejected) == (1, 1)
    assert [p.code for p in told.problems] == ["invalid_trace_id"]


@pytest.mark.parametrize(
    "time_unix_nano",
    [
        "1544712660300000001",
        1544712660300000001,
        "1544712660300000001.0",
        "1.544712660300000001e18",
    ],
)
def test_times_are_exact_as_numbers_or_strings(time_unix_nano: object) -> None:
    assert one(startTimeUnixNano=time_unix_nano).start_unix_nano == 1544712660300000001


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ('{"intValue":9007199254740993}', 9007199254740993),
        ('{"intValue":"-9223372036854775808"}', -(2**63)),
        ('{"intValue":1.5e18}', 1_500_000_000_000_000_000),
        ('{"doubleValue":"Infinity"}', float("inf")),
        ('{"doubleValue":3}', 3.0),
        ('{"doubleValue":"1e3"}', 1000.0),
        ('{"boolValue":true}', True),
        ('{"bytesValue":"-_8="}', b"\xfb\xff"),
        ('{"bytesValue":"+/8"}', b"\xfb\xff"),
        ('{"bytesValue":"-_8"}', b"\xfb\xff"),
        ('{"bytesValue":"+/8="}', b"\xfb\xff"),
        ("{}", None),
        ('{"value":{}}', None),
        ("null", None),
        ('{"stringValue":"a","intValue":2}', 2),
        ('{"intValue":2,"stringValue":"a"}', "a"),
        ('{"string_value":"snake"}', "snake"),
        ('{"arrayValue":{}}', []),
        ('{"arrayValue":{"values":[{"intValue":1},{"stringValue":"x"}]}}', [1, "x"]),
        ('{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":false}}]}}', {"a": False}),
    ],
)
def test_values_of_every_form(tree: str, expected: object) -> None:
    found, codes = value(tree)
    assert found == expected
    assert type(found) is type(expected)
    assert codes == []


@pytest.mark.parametrize("number", ["1e21", "18446744073709551616", '"9223372036854775808"', "1.5"])
def test_an_integer_out_of_range_is_kept_as_a_double(number: str) -> None:
    found, codes = value(f'{{"intValue":{number}}}')
    assert found == float(number.strip('"'))
    assert isinstance(found, float)
    assert codes == ["integer_out_of_range"]


def test_nan_is_written_and_read_as_a_string() -> None:
    found, _ = value('{"doubleValue":"NaN"}')
    assert found != found


@pytest.mark.parametrize("kind", [3, "3", "SPAN_KIND_CLIENT"])
def test_enums_are_numbers_or_names(kind: object) -> None:
    assert one(kind=kind).kind == 3


def test_null_and_unknown_fields_are_absent() -> None:
    assert one(name=None, attributes=None, novelty={"a": [1]}, events=[None]).name == ""


def test_snake_case_is_forgiven() -> None:
    span = {"trace_id": SPAN["traceId"], "span_id": SPAN["spanId"], "start_time_unix_nano": 5}
    tree = {"resource_spans": [{"scope_spans": [{"spans": [span]}]}]}
    told = otlp.decode_json(Signal.TRACES, orjson.dumps(tree))
    assert spans_of(told.tables)[0].start_unix_nano == 5


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"startTimeUnixNano": {}}, "startTimeUnixNano"),
        ({"startTimeUnixNano": "-1"}, "startTimeUnixNano"),
        ({"startTimeUnixNano": True}, "startTimeUnixNano"),
        ({"name": 5}, "name"),
        ({"kind": "NOVEL"}, "kind"),
        ({"traceId": 5}, "traceId"),
        ({"attributes": {}}, "attributes"),
        (
            {"attributes": [{"key": "k", "value": {"boolValue": 1}}]},
            "attributes[0].value.boolValue",
        ),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "*"}}]}, "attributes[0].value"),
        ({"attributes": [{"key": "k", "value": {"intValue": "9" * 5000}}]}, "attributes[0].value"),
        ({"flags": "1e999999999"}, "flags"),
    ],
)
def test_a_field_of_wrong_type_rejects_its_span_and_names_the_path(
    fields: dict[str, object], path: str
) -> None:
    told = decode(SPAN, {**SPAN, **fields})
    assert (told.accepted, told.rejected) == (1, 1)
    assert [p.code for p in told.problems] == ["malformed_record"]
    assert f"resourceSpans[0].scopeSpans[0].spans[1].{path}" in told.problems[0].message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "an object"),
        (b'{"resourceSpans":{}}', r"resourceSpans should be an array"),
        (b'{"resourceSpans":[{"resource":7}]}', r"resourceSpans\[0\].resource should be an object"),
        (b'{"resourceSpans":[NaN]}', "not JSON"),
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        ('{"a":1}'.encode("utf-16-le"), "UTF-16"),
    ],
)
def test_an_unreadable_request_says_where(body: bytes, message: str) -> None:
    with pytest.raises(otlp.MalformedRequest, match=message):
        otlp.decode_json(Signal.TRACES, body)


def test_a_byte_order_mark_is_forgiven() -> None:
    assert otlp.decode_json(Signal.TRACES, b"\xef\xbb\xbf{}").accepted == 0


@pytest.mark.parametrize("depth", [24, 25, 48, 64])
def test_depth_64_is_kept(depth: int) -> None:
    opening, closing = '{"kvlistValue":{"values":[{"key":"k","value":', "}]}}"
    found, codes = value(opening * depth + '{"stringValue":"leaf"}' + closing * depth)
    for _ in range(depth):
        found = found["k"]
    assert (found, codes) == ("leaf", [])


def test_depth_65_is_cut_off_with_a_warning() -> None:
    found, codes = value('{"arrayValue":{"values":[' * 65 + "]}}" * 65)
    for _ in range(64):
        found = found[0]
    assert (found, codes) == (TOO_DEEP, ["value_nested_too_deep"])


def test_depth_ten_thousand_is_malformed_at_once() -> None:
    begin = time.process_time()
    with pytest.raises(otlp.MalformedRequest):
        value('{"arrayValue":{"values":[' * 10_000 + "]}}" * 10_000)
    assert time.process_time() - begin < 0.05


def test_the_fixture_of_traces_reads_back() -> None:
    told = otlp.decode_json(Signal.TRACES, (FIXTURES / "otlp-traces.json").read_bytes())
    root, child = spans_of(told.tables)
    assert (root.service_name, root.scope.name, root.name) == ("checkout", "shop.web", "POST /pay")
    assert child.parent_span_id == root.span_id
    assert child.status_code == 2
    assert child.events[0].attributes == {"exception.type": "Timeout", "retries": 2}
    assert child.links[0].trace_id == 0x0AF7651916CD43DD8448EB211C80319C
    assert told.problems == ()


def test_the_fixture_of_logs_reads_back() -> None:
    told = otlp.decode_json(Signal.LOGS, (FIXTURES / "otlp-logs.json").read_bytes())
    first, second = logs_of(told.tables)
    assert (first.body, first.severity_number, first.trace_id != 0) == ("card declined", 17, True)
    assert second.body == {"step": "retry", "attempts": [1, 2]}
    assert second.trace_id == second.span_id == 0
    assert [p.code for p in told.problems] == ["invalid_log_id"]


def test_the_output_is_otlp_json() -> None:
    told = decode({**SPAN, "kind": 2, "startTimeUnixNano": "7", "status": {"code": 2}})
    span = orjson.loads(otlp.encode_json(Signal.TRACES, told.tables))
    span = span["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["traceId"] == SPAN["traceId"].lower()
    assert (span["startTimeUnixNano"], span["kind"], span["status"]) == ("7", 2, {"code": 2})
