"""AnyValue, OTLP's value of any type: as message, as OTLP/JSON text, as Python value.

Values may nest 64 containers deep, which is what SDKs may send by default. Strict protobuf
parsers stop at 100 nested *messages*, and a map costs three a level. So a body of ours holds
a deeper value wrapped: an AnyValue without a value whose private field 7680 carries the
encoded inner AnyValue as bytes. Strict parsers skip that field, our decoders look inside.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping

import orjson
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from longpole.model.span import AttributeValue

CONTAINERS_KEPT = 64
TOO_DEEP = "[nested deeper than 64]"
# Containers between two wrappings: 24 * 3 messages and the 9 around an exemplar's
# attribute stay under a strict parser's 100.
CONTAINERS_PER_WRAP = 24
# An honest value needs two wrappings; a hostile one must not make us copy it for ever.
_WRAPS_FOLLOWED = 4
WRAP_FIELD = 7680
_WRAP_TAG = b"\x82\xe0\x03"  # field 7680, length-delimited


def varint(number: int) -> bytes:
    """A non-negative integer as protobuf's base-128 varint."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def wrap_bytes(encoded: bytes) -> bytes:
    """The encoding of an AnyValue that carries another, encoded one in the private field."""
    return _WRAP_TAG + varint(len(encoded)) + encoded


def unwrap(value: AnyValue) -> AnyValue | None:
    """The value inside a wrapping, None when there is none (or one that does not parse)."""
    inner = None
    for unknown in UnknownFieldSet(value):  # type: ignore[attr-defined]  # stub lacks __iter__
        if unknown.field_number == WRAP_FIELD and unknown.wire_type == 2:
            inner = unknown.data
    if inner is None:
        return None
    try:
        parsed = AnyValue.FromString(inner)
    except DecodeError:
        return None
    return parsed if parsed.WhichOneof("value") is not None else None


def text_of(value: AnyValue) -> str:
    """Compact OTLP/JSON: `{"arrayValue":{"values":[{"intValue":"1"}]}}`, `{}` when empty."""
    parts: list[str] = []
    _render(value, parts, 0, 0)
    return "".join(parts)


def _render(value: AnyValue, parts: list[str], depth: int, wraps: int) -> None:
    kind = value.WhichOneof("value")
    if kind is None and wraps < _WRAPS_FOLLOWED and value.ByteSize():
        inner = unwrap(value)
        if inner is not None:
            _render(inner, parts, depth, wraps + 1)
            return
    if kind == "string_value":
        parts.append(f'{{"stringValue":{json_string(value.string_value)}}}')
    elif kind == "int_value":
        parts.append(f'{{"intValue":"{value.int_value}"}}')
    elif kind == "double_value":
        parts.append(f'{{"doubleValue":{json_double(value.double_value)}}}')
    elif kind == "bool_value":
        parts.append('{"boolValue":true}' if value.bool_value else '{"boolValue":false}')
    elif kind == "bytes_value":
        parts.append(f'{{"bytesValue":"{base64_text(value.bytes_value)}"}}')
    elif kind in ("array_value", "kvlist_value") and depth >= CONTAINERS_KEPT:
        parts.append(f'{{"stringValue":"{TOO_DEEP}"}}')
    elif kind == "array_value":
        parts.append('{"arrayValue":{"values":[')
        for index, item in enumerate(value.array_value.values):
            if index:
                parts.append(",")
            _render(item, parts, depth + 1, wraps)
        parts.append("]}}")
    elif kind == "kvlist_value":
        parts.append('{"kvlistValue":{"values":[')
        for index, pair in enumerate(value.kvlist_value.values):
            parts.append(',{"key":' if index else '{"key":')
            parts.append(json_string(pair.key))
            parts.append(',"value":')
            _render(pair.value, parts, depth + 1, wraps)
            parts.append("}")
        parts.append("]}}")
    else:
        parts.append("{}")


def json_string(text: str) -> str:
    """A JSON string literal."""
    return orjson.dumps(text).decode()


def json_double(number: float) -> str:
    """A JSON number, or the strings that OTLP/JSON has for what JSON cannot say."""
    if math.isfinite(number):
        return orjson.dumps(number).decode()
    return '"NaN"' if math.isnan(number) else '"Infinity"' if number > 0 else '"-Infinity"'


def base64_text(content: bytes) -> str:
    """Standard base64 with padding, as OTLP/JSON writes bytes."""
    return base64.b64encode(content).decode()


def of_text(text: str) -> AnyValue:
    """The message of a text that `text_of` made; deep values come wrapped."""
    return of_tree(orjson.loads(text))


def of_tree(tree: Mapping[str, object]) -> AnyValue:
    """The message of such a text, already parsed."""
    value = AnyValue()
    _fill(value, tree, 0)
    return value


def _fill(value: AnyValue, tree: Mapping[str, object], containers: int) -> None:
    if containers >= CONTAINERS_PER_WRAP and ("arrayValue" in tree or "kvlistValue" in tree):
        inner = AnyValue()
        _fill(inner, tree, 0)
        value.MergeFromString(wrap_bytes(inner.SerializeToString()))
        return
    for kind, content in tree.items():
        if kind == "arrayValue":
            value.array_value.SetInParent()
            for item in content["values"]:  # type: ignore[index]
                _fill(value.array_value.values.add(), item, containers + 1)
        elif kind == "kvlistValue":
            value.kvlist_value.SetInParent()
            for pair in content["values"]:  # type: ignore[index]
                added = value.kvlist_value.values.add()
                added.key = pair["key"]
                _fill(added.value, pair["value"], containers + 1)
        else:
            set_python(value, _scalar(kind, content))


def _scalar(kind: str, content: object) -> AttributeValue:
    if kind == "intValue":
        return int(content)  # type: ignore[call-overload, no-any-return]
    if kind == "doubleValue":
        return float(content)  # type: ignore[arg-type]
    if kind == "bytesValue":
        return base64.b64decode(content)  # type: ignore[arg-type]
    return content  # type: ignore[return-value]


def python_of_text(text: str) -> AttributeValue:
    """The Python value of a text that `text_of` made: bytes, list, dict (the last of equal
    keys wins) or None."""
    return _python(orjson.loads(text))


def _python(tree: Mapping[str, object]) -> AttributeValue:
    for kind, content in tree.items():
        if kind == "arrayValue":
            return [_python(item) for item in content["values"]]  # type: ignore[index]
        if kind == "kvlistValue":
            pairs = content["values"]  # type: ignore[index]
            return {pair["key"]: _python(pair["value"]) for pair in pairs}
        return _scalar(kind, content)
    return None


def text_of_python(value: AttributeValue) -> str:
    """OTLP/JSON AnyValue text of a Python value, the inverse of `python_of_text`."""
    message = AnyValue()
    set_python(message, value)
    return text_of(message)


def set_python(message: AnyValue, value: AttributeValue, containers: int = 0) -> None:
    """Give a message the value; bool before int, since Python's bool is one."""
    if isinstance(value, str):
        message.string_value = value
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int_value = value
    elif isinstance(value, float):
        message.double_value = value
    elif isinstance(value, bytes):
        message.bytes_value = value
    elif value is None:
        return
    elif containers >= CONTAINERS_PER_WRAP:
        inner = AnyValue()
        set_python(inner, value)
        message.MergeFromString(wrap_bytes(inner.SerializeToString()))
    elif isinstance(value, Mapping):
        message.kvlist_value.SetInParent()
        for key, item in value.items():
            pair = message.kvlist_value.values.add()
            pair.key = key
            set_python(pair.value, item, containers + 1)
    else:
        message.array_value.SetInParent()
        for item in value:
            set_python(message.array_value.values.add(), item, containers + 1)


def empty_strindex(pair: KeyValue, warn: Callable[[], None]) -> None:
    """Empty an attribute's references into a string table, which only profiles have."""
    if pair.key_strindex:
        pair.key_strindex = 0
        warn()
    if pair.value.WhichOneof("value") == "string_value_strindex":
        pair.value.ClearField("string_value_strindex")
        warn()
