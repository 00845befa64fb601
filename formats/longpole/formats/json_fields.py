"""How OTLP/JSON writes the fields of a protobuf message: names, numbers, ids, bytes."""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

ID_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_NUMBER = re.compile(r"[+-]?(\d+)(\.\d*)?([eE][+-]?\d{1,4})?")
_INTEGER = re.compile(r"-?\d{1,40}")
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

_UNSIGNED_64 = (0, 2**64 - 1)
_SIGNED_64 = (-(2**63), 2**63 - 1)
_UNSIGNED_32 = (0, 2**32 - 1)
_SIGNED_32 = (-(2**31), 2**31 - 1)
RANGES = {
    FieldDescriptor.TYPE_FIXED64: _UNSIGNED_64,
    FieldDescriptor.TYPE_UINT64: _UNSIGNED_64,
    FieldDescriptor.TYPE_SFIXED64: _SIGNED_64,
    FieldDescriptor.TYPE_INT64: _SIGNED_64,
    FieldDescriptor.TYPE_SINT64: _SIGNED_64,
    FieldDescriptor.TYPE_FIXED32: _UNSIGNED_32,
    FieldDescriptor.TYPE_UINT32: _UNSIGNED_32,
    FieldDescriptor.TYPE_INT32: _SIGNED_32,
    FieldDescriptor.TYPE_SINT32: _SIGNED_32,
    FieldDescriptor.TYPE_ENUM: _SIGNED_32,
}
WRITTEN_AS_STRING = frozenset(
    field_type for field_type, limits in RANGES.items() if limits in (_UNSIGNED_64, _SIGNED_64)
)


class FieldFault(Exception):
    """One JSON value that its field cannot hold; collects the path while it propagates."""

    def __init__(self, wanted: str, got: object) -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.got = got
        self.path: list[str] = []

    def under(self, step: str) -> FieldFault:
        """The same fault, seen from one level further out."""
        self.path.append(step)
        return self

    def __str__(self) -> str:
        got = repr(self.got)
        shown = got if len(got) <= 60 else got[:57] + "..."
        path = "".join(reversed(self.path)).removeprefix(".")
        return f"{path or 'the request'} should be {self.wanted}, but is {shown}"


@cache
def fields_of(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Fields by lowerCamelCase name and, leniently, by their protobuf name."""
    fields = {field.name: field for field in descriptor.fields}
    fields.update({field.json_name: field for field in descriptor.fields})
    return fields


def integer(content: object, limits: tuple[int, int]) -> int:
    """A whole number within limits, from a JSON number or a decimal string."""
    number = exact_number(content)
    if number is None or number != int(number) or not limits[0] <= number <= limits[1]:
        raise FieldFault(f"a whole number from {limits[0]} to {limits[1]}", content)
    return int(number)


def exact_number(content: object) -> int | float | Decimal | None:
    """A finite number, exactly, from a JSON number or a decimal string; None otherwise."""
    if isinstance(content, bool):
        return None
    if isinstance(content, int):
        return content
    if isinstance(content, float):
        return content
    if isinstance(content, str):
        if _INTEGER.fullmatch(content):
            return int(content)
        if len(content) <= 400 and _NUMBER.fullmatch(content):
            number = Decimal(content)
            # Keeps int(number) small; nothing beyond a double has a meaning anyway.
            return number if number.adjusted() <= 308 else None
    return None


def double(content: object) -> float:
    """A double from a JSON number, a decimal string, "NaN", "Infinity" or "-Infinity"."""
    if isinstance(content, str) and content in _NOT_FINITE:
        return _NOT_FINITE[content]
    number = exact_number(content)
    if number is None:
        raise FieldFault('a number, "NaN", "Infinity" or "-Infinity"', content)
    return float(number)


def raw_bytes(content: object) -> bytes:
    """Bytes from base64: standard or URL-safe, with or without padding."""
    if isinstance(content, str):
        text = content.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            pass
    raise FieldFault("base64", content)


def hex_id(content: object) -> bytes:
    """The bytes of a hex id in any case. A text that is no hex becomes one byte, an invalid
    id like any other of wrong length, so that it costs its record and not the request."""
    if not isinstance(content, str):
        raise FieldFault("a string of hexadecimal digits", content)
    try:
        # bytes.fromhex skips blanks, which are no digits.
        return bytes.fromhex(content) if content.isalnum() or not content else b"\0"
    except ValueError:
        return b"\0"


def scalar(field: FieldDescriptor, content: object) -> Any:
    """The Python value for a field that holds no message."""
    kind = field.type
    if kind == FieldDescriptor.TYPE_STRING:
        if not isinstance(content, str):
            raise FieldFault("a string", content)
        return content
    if field.enum_type is not None and isinstance(content, str):
        named = field.enum_type.values_by_name.get(content)
        if named is not None:
            return named.number
    if kind in RANGES:
        return integer(content, RANGES[kind])
    if kind == FieldDescriptor.TYPE_DOUBLE:
        return double(content)
    if kind == FieldDescriptor.TYPE_BOOL:
        if not isinstance(content, bool):
            raise FieldFault("true or false", content)
        return content
    return hex_id(content) if field.name in ID_FIELDS else raw_bytes(content)
