"""OTLP/JSON traces and logs as SDKs write them, encoded as protobuf without messages in between.

It gives the bytes that the message of `otlp_json` would be encoded as, or nothing: whatever is
unusual (other spellings of names and numbers, faults, values that have to be cut) is left to
`otlp_json`, which knows what is forgiven, and what to say.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from longpole.formats import any_value
from longpole.formats.json_fields import FieldFault
from longpole.formats.otlp_json import fill
from longpole.formats.tally import Tally
from longpole.model.signals import Signal

# Attributes that were encoded already, by key and text.
_Known: TypeAlias = dict[tuple[str, str], bytes]
_Tree: TypeAlias = dict[str, Any]

_U32, _U64, _I32 = 2**32, 2**64, 2**31
_SMALL = [any_value.varint(number) for number in range(1024)]
_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack
_fixed32 = struct.Struct("<I").pack

_SPAN = frozenset(
    {
        "traceId", "spanId", "traceState", "parentSpanId", "name", "kind", "startTimeUnixNano",
        "endTimeUnixNano", "attributes", "droppedAttributesCount", "events",
        "droppedEventsCount", "links", "droppedLinksCount", "status", "flags",
    }
)  # fmt: skip
_EVENT = frozenset({"timeUnixNano", "name", "attributes", "droppedAttributesCount"})
_LINK = frozenset(
    {"traceId", "spanId", "traceState", "attributes", "droppedAttributesCount", "flags"}
)
_STATUS = frozenset({"message", "code"})
_LOG = frozenset(
    {
        "timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body",
        "attributes", "droppedAttributesCount", "flags", "traceId", "spanId", "eventName",
    }
)  # fmt: skip


class _Unusual(Exception):
    """Only `otlp_json` can judge it."""


def encoded(signal: Signal, tree: object) -> bytes | None:
    """A request of parsed JSON as protobuf; None for one that is not plain."""
    shape = _SHAPES.get(signal)
    if shape is None:
        return None
    known: _Known = {}
    try:
        groups = _fields(tree, frozenset({shape.groups})).get(shape.groups)
        return _list(b"\x0a", groups, partial(_group, shape), known)
    except _Unusual:
        return None


def _fields(tree: object, names: frozenset[str]) -> _Tree:
    if type(tree) is not dict or not tree.keys() <= names:
        raise _Unusual
    return tree


def _list(
    tag: bytes, items: object, encode: Callable[[object, _Known], bytes], known: _Known
) -> bytes:
    if items is None:
        return b""
    if type(items) is not list:
        raise _Unusual
    parts: list[bytes] = []
    for item in items:
        content = encode(item, known)
        parts += (tag, _size(content), content)
    return b"".join(parts)


def _size(content: bytes) -> bytes:
    return _varint(len(content))


def _varint(number: int) -> bytes:
    return _SMALL[number] if number < 1024 else any_value.varint(number)


def _group(shape: _Shape, tree: object, known: _Known) -> bytes:
    get = _fields(tree, frozenset({"resource", shape.scopes, "schemaUrl"})).get
    return (
        _message(Resource, get("resource"))
        + _list(b"\x12", get(shape.scopes), partial(_scope, shape), known)
        + _text(b"\x1a", get("schemaUrl"))
    )


def _scope(shape: _Shape, tree: object, known: _Known) -> bytes:
    get = _fields(tree, frozenset({"scope", shape.records, "schemaUrl"})).get
    return (
        _message(InstrumentationScope, get("scope"))
        + _list(b"\x12", get(shape.records), shape.record, known)
        + _text(b"\x1a", get("schemaUrl"))
    )


def _span(tree: object, known: _Known) -> bytes:
    get = _fields(tree, _SPAN).get
    parent, status, flags = get("parentSpanId"), get("status"), get("flags")
    # In the order of their numbers, as messages are encoded.
    return b"".join(
        (
            b"\x0a\x10", _id(get("traceId"), 32),
            b"\x12\x08", _id(get("spanId"), 16),
            _text(b"\x1a", get("traceState")),
            b"\x22\x08" + _id(parent, 16) if parent else _text(b"", parent),
            _text(b"\x2a", get("name")),
            _number(b"\x30", get("kind"), _I32),
            _time(b"\x39", get("startTimeUnixNano")),
            _time(b"\x41", get("endTimeUnixNano")),
            _attributes(b"\x4a", get("attributes"), known),
            _number(b"\x50", get("droppedAttributesCount"), _U32),
            _list(b"\x5a", get("events"), _event, known),
            _number(b"\x60", get("droppedEventsCount"), _U32),
            _list(b"\x6a", get("links"), _link, known),
            _number(b"\x70", get("droppedLinksCount"), _U32),
            b"" if status is None else _status(status),
            b"" if flags is None else _flags(b"\x85\x01", flags),
        )
    )  # fmt: skip


def _event(tree: object, known: _Known) -> bytes:
    get = _fields(tree, _EVENT).get
    return (
        _time(b"\x09", get("timeUnixNano"))
        + _text(b"\x12", get("name"))
        + _attributes(b"\x1a", get("attributes"), known)
        + _number(b"\x20", get("droppedAttributesCount"), _U32)
    )


def _link(tree: object, known: _Known) -> bytes:
    get = _fields(tree, _LINK).get
    flags = get("flags")
    return (
        b"\x0a\x10" + _id(get("traceId"), 32)
        + b"\x12\x08" + _id(get("spanId"), 16)
        + _text(b"\x1a", get("traceState"))
        + _attributes(b"\x22", get("attributes"), known)
        + _number(b"\x28", get("droppedAttributesCount"), _U32)
        + (b"" if flags is None else _flags(b"\x35", flags))
    )  # fmt: skip


def _status(tree: object) -> bytes:
    get = _fields(tree, _STATUS).get
    content = _text(b"\x12", get("message")) + _number(b"\x18", get("code"), _I32)
    return b"\x7a" + _size(content) + content


def _log(tree: object, known: _Known) -> bytes:
    get = _fields(tree, _LOG).get
    trace, span, flags = get("traceId"), get("spanId"), get("flags")
    return b"".join(
        (
            _time(b"\x09", get("timeUnixNano")),
            _number(b"\x10", get("severityNumber"), _I32),
            _text(b"\x1a", get("severityText")),
            _body(get("body")),
            _attributes(b"\x32", get("attributes"), known),
            _number(b"\x38", get("droppedAttributesCount"), _U32),
            b"" if flags is None else _flags(b"\x45", flags),
            b"\x4a\x10" + _id(trace, 32) if trace else _text(b"", trace),
            b"\x52\x08" + _id(span, 16) if span else _text(b"", span),
            _time(b"\x59", get("observedTimeUnixNano")),
            _text(b"\x62", get("eventName")),
        )
    )


def _body(tree: object) -> bytes:
    if tree is None:
        return b""
    text = tree.get("stringValue") if type(tree) is dict and len(tree) == 1 else None
    content = _by_reader(AnyValue, tree) if type(text) is not str else _text(b"\x0a", text)
    # An empty text is a value, too.
    content = content or (b"\x0a\x00" if text == "" else b"")
    return b"\x2a" + _size(content) + content


def _id(text: object, digits: int) -> bytes:
    # bytes.fromhex skips blanks, which are no digits.
    if type(text) is not str or len(text) != digits or not text.isalnum():
        raise _Unusual
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _Unusual from None


def _text(tag: bytes, text: object) -> bytes:
    """Absent and empty are the same."""
    if text is None or text == "":
        return b""
    if type(text) is not str:
        raise _Unusual
    content = text.encode()
    return tag + _size(content) + content


def _number(tag: bytes, number: object, limit: int) -> bytes:
    """Absent and zero are the same, as for times and flags."""
    if number is None:
        return b""
    if type(number) is not int or not 0 <= number < limit:
        raise _Unusual
    return tag + _varint(number) if number else b""


def _time(tag: bytes, time: object) -> bytes:
    if time is None:
        return b""
    if type(time) is str and len(time) <= 20 and time.isascii() and time.isdigit():
        time = int(time)
    if type(time) is not int or not 0 <= time < _U64:
        raise _Unusual
    return tag + _fixed64(time) if time else b""


def _flags(tag: bytes, flags: object) -> bytes:
    if type(flags) is not int or not 0 <= flags < _U32:
        raise _Unusual
    return tag + _fixed32(flags) if flags else b""


def _attributes(tag: bytes, pairs: object, known: _Known) -> bytes:
    if pairs is None:
        return b""
    if type(pairs) is not list:
        raise _Unusual
    parts: list[bytes] = []
    for pair in pairs:
        content = None
        if type(pair) is dict and len(pair) == 2:
            key, value = pair.get("key"), pair.get("value")
            if type(key) is str and type(value) is dict and len(value) == 1:
                text = value.get("stringValue")
                if type(text) is str:
                    content = known.get((key, text))
                    if content is None:
                        encoded = text.encode()
                        content = _pair(key, b"\x0a" + _size(encoded) + encoded)
                        known[key, text] = content
                else:
                    ((kind, scalar),) = value.items()
                    value_bytes = _scalar(kind, scalar)
                    if value_bytes is not None:
                        content = _pair(key, value_bytes)
        if content is None:
            content = _by_reader(KeyValue, pair)
        parts += (tag, _size(content), content)
    return b"".join(parts)


def _pair(key: str, value: bytes) -> bytes:
    return _text(b"\x0a", key) + b"\x12" + _size(value) + value


def _scalar(kind: str, scalar: object) -> bytes | None:
    """An encoded AnyValue; None for one that is not so simple."""
    if kind == "intValue":
        if type(scalar) is str and len(scalar) <= 20 and scalar.isascii():
            if not scalar.removeprefix("-").isdigit():
                return None
            scalar = int(scalar)
        if type(scalar) is int and -(2**63) <= scalar < 2**63:
            return b"\x18" + _varint(scalar % _U64)
    elif kind == "boolValue":
        if type(scalar) is bool:
            return b"\x10\x01" if scalar else b"\x10\x00"
    elif kind == "doubleValue" and (type(scalar) is float or type(scalar) is int):
        return b"\x21" + _double(scalar)
    return None


def _message(message_type: Any, tree: object) -> bytes:
    """Field 1, if it is there."""
    if tree is None:
        return b""
    content = _by_reader(message_type, tree)
    return b"\x0a" + _size(content) + content


def _by_reader(message_type: Any, tree: object) -> bytes:
    message, tally = message_type(), Tally()
    if tree is None:
        raise _Unusual
    try:
        fill(message, tree, tally)
    except FieldFault:
        raise _Unusual from None
    if tally.problems():
        raise _Unusual
    return bytes(message.SerializeToString())


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a signal calls the lists of its requests, and how its records are encoded."""

    groups: str
    scopes: str
    records: str
    record: Callable[[object, _Known], bytes]


_SHAPES = {
    Signal.TRACES: _Shape("resourceSpans", "scopeSpans", "spans", _span),
    Signal.LOGS: _Shape("resourceLogs", "scopeLogs", "logRecords", _log),
}
