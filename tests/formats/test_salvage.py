from __future__ import annotations

import time
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats import otlp
from longpole.formats.any_value import TOO_DEEP, varint
from longpole.formats.rows import spans_of
from longpole.model.signals import Signal

IDS = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def body_of(*spans: bytes) -> bytes:
    return field(1, field(2, b"".join(field(2, IDS + span) for span in spans)))


def attribute(key: bytes, value: bytes) -> bytes:
    return field(9, field(1, key) + field(2, value))


def arrays(depth: int) -> bytes:
    value = field(1, b"leaf")
    for _ in range(depth):
        value = field(5, field(1, value))
    return value


def maps(depth: int) -> bytes:
    value = field(1, b"leaf")
    for _ in range(depth):
        value = field(6, field(1, field(1, b"k") + field(2, value)))
    return value


def deep_in_linear_time(depth: int, is_map: bool) -> bytes:
    """The same from the inside out, by prefixes, since copying would be quadratic."""
    prefixes: list[bytes] = []
    size = len(field(1, b"leaf"))
    for _ in range(depth):
        steps = [b"\x12", b"\x0a"] if is_map else [b"\x0a"]
        for tag in steps:
            prefix = tag + varint(size)
            if tag == b"\x12":
                prefix = field(1, b"k") + prefix
            prefixes.append(prefix)
            size += len(prefix)
        prefix = (b"\x32" if is_map else b"\x2a") + varint(size)
        prefixes.append(prefix)
        size += len(prefix)
    return b"".join(reversed(prefixes)) + field(1, b"leaf")


def depth_of(value: Any) -> tuple[int, Any]:
    depth = 0
    while isinstance(value, list | dict):
        value = value[0] if isinstance(value, list) else value["k"]
        depth += 1
    return depth, value


def test_bad_utf8_costs_its_bytes_and_nothing_else() -> None:
    bad = field(5, b"na\xffme") + attribute(b"k", field(1, b"\xc3\x28"))
    told = otlp.decode(Signal.TRACES, body_of(field(5, b"good"), bad))
    first, second = spans_of(told.tables)
    assert first.name == "good"
    assert second.name == "na\ufffdme"
    assert second.attributes == {"k": "\ufffd("}
    assert told.rejected == 0
    assert [(p.code, p.count) for p in told.problems] == [("invalid_utf8", 2)]


@pytest.mark.parametrize("make", [arrays, maps])
@pytest.mark.parametrize("depth", [1, 24, 25, 28, 29, 30, 31, 32, 33, 46, 47, 48, 60, 63, 64])
def test_values_up_to_depth_64_come_back_equal_from_a_strict_body(make: Any, depth: int) -> None:
    body = body_of(attribute(b"deep", make(depth)), field(5, b"other"))
    told = otlp.decode(Signal.TRACES, body)
    assert depth_of(spans_of(told.tables)[0].attributes["deep"]) == (depth, "leaf")
    assert (told.rejected, told.problems) == (0, ())
    ExportTraceServiceRequest.FromString(told.body + told.body)
    again = otlp.decode(Signal.TRACES, told.body)
    assert again.tables["spans"].equals(told.tables["spans"])
    encoded = otlp.encode(Signal.TRACES, told.tables)
    ExportTraceServiceRequest.FromString(encoded)
    assert otlp.decode(Signal.TRACES, encoded).tables["spans"].equals(told.tables["spans"])
    text = otlp.encode_json(Signal.TRACES, told.tables)
    assert otlp.decode_json(Signal.TRACES, text).tables["spans"].equals(told.tables["spans"])


@pytest.mark.parametrize("is_map", [False, True])
@pytest.mark.parametrize("depth", [65, 1_000, 100_000])
def test_deeper_values_are_cut_off_quickly(is_map: bool, depth: int) -> None:
    body = body_of(
        attribute(b"deep", deep_in_linear_time(depth, is_map)), attribute(b"a", field(1, b"b"))
    )
    begin = time.process_time()
    told = otlp.decode(Signal.TRACES, body)
    took = time.process_time() - begin
    first, second = spans_of(told.tables)
    assert depth_of(first.attributes["deep"]) == (64, TOO_DEEP)
    assert second.attributes == {"a": "b"}
    assert [p.code for p in told.problems] == ["value_nested_too_deep"]
    assert otlp.decode(Signal.TRACES, told.body).tables["spans"].equals(told.tables["spans"])
    assert took < 0.05


def test_hostile_wrappings_are_followed_only_a_few_times() -> None:
    value = field(1, b"leaf")
    for _ in range(2_000):
        value = field(7680, value)
    told = otlp.decode(Signal.TRACES, body_of(attribute(b"k", value)))
    assert spans_of(told.tables)[0].attributes == {"k": None}
    mixed = field(1, b"leaf")
    for _ in range(20):
        mixed = field(7680, field(5, field(1, mixed)))
    told = otlp.decode(Signal.TRACES, body_of(attribute(b"k", mixed)))
    assert otlp.decode(Signal.TRACES, told.body).tables["spans"].equals(told.tables["spans"])


def test_groups_nested_without_end_are_malformed() -> None:
    body = b"\x0b" * 100_000
    with pytest.raises(DecodeError):
        ExportTraceServiceRequest.FromString(body)
    begin = time.process_time()
    with pytest.raises(otlp.MalformedRequest, match="nest"):
        otlp.decode(Signal.TRACES, body)
    assert time.process_time() - begin < 0.05


def test_a_wrapping_of_nonsense_is_an_empty_value() -> None:
    for nonsense in (b"\xff", b"\x0a\x01\xff", b""):
        told = otlp.decode(Signal.TRACES, body_of(attribute(b"k", field(7680, nonsense))))
        assert spans_of(told.tables)[0].attributes == {"k": None}
        assert told.problems == ()


def test_one_bad_string_among_many_spans_stays_cheap() -> None:
    body = body_of(*[field(5, b"good")] * 5_000, field(5, b"\xff"))
    begin = time.process_time()
    told = otlp.decode(Signal.TRACES, body)
    assert (told.accepted, told.rejected) == (5_001, 0)
    assert time.process_time() - begin < 1
