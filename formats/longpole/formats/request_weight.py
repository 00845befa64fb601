"""Bounds what a stranger's bytes may unfold into, before anything is unfolded.

Empty protobuf messages cost two bytes on the wire and hundreds in memory, and one character
beyond the Basic Multilingual Plane makes Python spend four bytes on every other one of its
string, so a limit on body size alone lets 64 MiB become many gigabytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from longpole.formats import any_value, wire
from longpole.formats.malformed import MalformedRequest

MAX_FIELDS = 600_000  # a span of a thousand attributes has 4,000
MAX_TEXT_BYTES = 160 << 20
MAX_JSON_VALUES = 2_000_000
MAX_JSON_OBJECTS = 1_000_000

_ANY_VALUE = AnyValue.DESCRIPTOR
_CONTAINERS = frozenset({ArrayValue.DESCRIPTOR.full_name, KeyValueList.DESCRIPTOR.full_name})
_LONG = 64 << 10
_NESTED_TEXT = 6  # JSON writes a control character as \u0001
_FIXED = {
    FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
}
_CHUNK = 1 << 20


class RequestTooHeavy(MalformedRequest):
    """The request would take too much memory; smaller batches of the same data are fine."""


def check(
    request_type: Any,
    body: bytes,
    max_fields: int = MAX_FIELDS,
    max_text_bytes: int = MAX_TEXT_BYTES,
) -> None:
    """Raises `RequestTooHeavy` for a protobuf body of too many fields, counting each number
    of a packed list, or of texts that take too much memory. Takes about a microsecond per
    field, so it is for the few bodies that cannot be cut smaller. Broken bodies pass: the
    decoder says better what is wrong with them."""
    scale = _Scale(max_fields, max_text_bytes)
    try:
        scale.weigh(request_type.DESCRIPTOR, body)
    except RequestTooHeavy:
        raise
    except MalformedRequest:
        return


class _Scale:
    def __init__(self, max_fields: int, max_text_bytes: int) -> None:
        self._max_fields = max_fields
        self._max_text_bytes = max_text_bytes
        self._fields = 0
        self._text_bytes = 0

    def weigh(self, descriptor: Descriptor, body: bytes) -> None:
        known: dict[str, dict[int, FieldDescriptor]] = {}
        open_parts = [(descriptor, 0, len(body), False)]
        while open_parts:
            message, start, end, is_nested = open_parts.pop()
            name = message.full_name
            is_nested = is_nested or name in _CONTAINERS
            if name not in known:
                known[name] = {field.number: field for field in message.fields}
            by_number = known[name]
            for number, kind, _, content, stop in wire.fields(body, start, end):
                self._count(1)
                if kind != wire.BYTES:
                    continue
                field = by_number.get(number)
                if field is None:
                    if message is _ANY_VALUE and number == any_value.WRAP_FIELD:
                        open_parts.append((_ANY_VALUE, content, stop, True))
                elif field.message_type is not None:
                    open_parts.append((field.message_type, content, stop, is_nested))
                elif stop - content > _LONG and field.type in (
                    FieldDescriptor.TYPE_STRING,
                    FieldDescriptor.TYPE_BYTES,
                ):
                    self._read(body[content:stop], is_nested)
                elif field.is_repeated and field.type != FieldDescriptor.TYPE_STRING:
                    self._count((stop - content) // _FIXED.get(field.type, 1))

    def _count(self, fields: int) -> None:
        self._fields += fields
        if self._fields > self._max_fields:
            raise RequestTooHeavy(
                f"One record holds more than {self._max_fields} attributes, values and other "
                "parts; nothing was kept. Set the attribute and event limits of the sender's SDK."
            )

    def _read(self, text: bytes, is_nested: bool) -> None:
        if is_nested:
            factor = _NESTED_TEXT
        elif text.isascii():
            factor = 1
        else:
            factor = 4 if int(np.frombuffer(text, dtype=np.uint8).max()) >= 0xF0 else 2
        self._text_bytes += factor * len(text)
        if self._text_bytes > self._max_text_bytes:
            raise RequestTooHeavy(
                "The texts of one record take more than "
                f"{self._max_text_bytes >> 20} MiB of memory; nothing was kept. Set the "
                "attribute value length limit of the sender's SDK."
            )


def check_json(
    body: bytes,
    max_objects: int = MAX_JSON_OBJECTS,
    max_values: int = MAX_JSON_VALUES,
) -> None:
    """The same for a JSON body, by its brackets and commas outside of strings."""
    brackets = body.count(b"{") + body.count(b"[")
    commas = body.count(b",")
    if brackets > max_objects or brackets + commas > max_values:
        brackets, commas = _structure(body)
    if brackets > max_objects or brackets + commas > max_values:
        raise RequestTooHeavy(
            f"The request holds more than {max_objects} JSON objects and arrays, or more than "
            f"{max_values} values; nothing was kept. Lower the sender's batch size, or send "
            "protobuf."
        )


def _structure(body: bytes) -> tuple[int, int]:
    """Opening brackets and commas outside of strings."""
    # A backslash stands only in strings: without pairs of them, one before a quote escapes it.
    whole = np.frombuffer(body.replace(b"\\\\", b"").replace(b'\\"', b""), dtype=np.uint8)
    brackets = commas = 0
    is_inside = 0
    for start in range(0, len(whole), _CHUNK):
        piece = whole[start : start + _CHUNK]
        quotes = np.cumsum(piece == ord('"'), dtype=np.int32) + is_inside
        outside = quotes & 1 == 0
        brackets += int(np.count_nonzero(outside & ((piece == ord("{")) | (piece == ord("[")))))
        commas += int(np.count_nonzero(outside & (piece == ord(","))))
        is_inside = int(quotes[-1]) & 1
    return brackets, commas
