"""Bounds what a stranger's bytes may unfold into, before anything is unfolded.

Empty protobuf messages cost two bytes on the wire and hundreds in memory, and one character
beyond the Basic Multilingual Plane makes Python spend four bytes on every other one of its
string, so a limit on body size alone lets 64 MiB become many gigabytes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValueList

from longpole.formats import any_value, wire
from longpole.formats.malformed import MalformedRequest

MAX_FIELDS = 600_000  # a span of a thousand attributes has 4,000
MAX_TEXT_BYTES = 160 << 20
MAX_JSON_MEMORY = 280 << 20

_ANY_VALUE = AnyValue.DESCRIPTOR
_CONTAINERS = frozenset({ArrayValue.DESCRIPTOR.full_name, KeyValueList.DESCRIPTOR.full_name})
_LONG = 64 << 10
# Values inside of values are kept as JSON, which writes a control character as \u0001 and
# bytes as base64, of which there are two copies for a while.
_NESTED_TEXT = 6
_BYTES = 3
_FIXED = {
    FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
}
_CHUNK = 1 << 20
# What the parsed tree takes, measured: a small dict, a key or value beside others.
_PER_OBJECT = 200
_PER_COMMA = 100
# One character beyond ASCII costs its whole string up to four bytes a character, and a copy
# as UTF-8.
_PER_WIDE_BYTE = 5
_WIDE = re.compile(rb"[\x80-\xff]")


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
                elif field.type == FieldDescriptor.TYPE_BYTES:
                    self._read(_BYTES * (stop - content))
                elif field.type == FieldDescriptor.TYPE_STRING:
                    size = stop - content
                    if is_nested:
                        self._read(_NESTED_TEXT * size)
                    else:
                        self._read(size * (_width(body[content:stop]) if size > _LONG else 1))
                elif field.is_repeated:
                    self._count((stop - content) // _FIXED.get(field.type, 1))

    def _count(self, fields: int) -> None:
        self._fields += fields
        if self._fields > self._max_fields:
            raise RequestTooHeavy(
                f"One record holds more than {self._max_fields} attributes, values and other "
                "parts; nothing was kept. Set the attribute and event limits of the sender's SDK."
            )

    def _read(self, text_bytes: int) -> None:
        self._text_bytes += text_bytes
        if self._text_bytes > self._max_text_bytes:
            raise RequestTooHeavy(
                "The texts of one record take more than "
                f"{self._max_text_bytes >> 20} MiB of memory; nothing was kept. Set the "
                "attribute value length limit of the sender's SDK."
            )


def _width(text: bytes) -> int:
    """How many bytes Python takes for each character of a text, most of which are one byte."""
    if text.isascii():
        return 1
    return 4 if int(np.frombuffer(text, dtype=np.uint8).max()) >= 0xF0 else 2


def check_json(body: bytes, max_memory: int = MAX_JSON_MEMORY) -> None:
    """Raises `RequestTooHeavy` for a JSON body whose tree is estimated to take more than
    `max_memory` bytes. JSON has to be read whole, so the limit is tighter than for protobuf.
    """
    brackets = body.count(b"{") + body.count(b"[")
    commas = body.count(b",")
    text = len(body)
    if text + _widening(body) + _PER_OBJECT * brackets + _PER_COMMA * commas <= max_memory:
        return
    # A backslash stands only in strings: without pairs of them, one before a quote escapes it.
    body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets, commas = _structure(body)
    weight = text + _PER_OBJECT * brackets + _PER_COMMA * commas
    if weight <= max_memory:  # else there may be too many strings to look at each
        weight += _PER_WIDE_BYTE * _wide_bytes(body.replace(b"\\u", b"\xff"))
    if weight > max_memory:
        raise RequestTooHeavy(
            f"The request would take more than {max_memory >> 20} MiB of memory as JSON: it has "
            f"{brackets} objects and arrays; nothing was kept. Lower the sender's batch size, or "
            "send protobuf."
        )


def _widening(body: bytes) -> int:
    """The most that characters beyond one byte may add to the memory of all strings."""
    return 0 if body.isascii() and b"\\u" not in body else _PER_WIDE_BYTE * len(body)


def _wide_bytes(body: bytes) -> int:
    """The size of all strings that hold a byte beyond ASCII."""
    found = at = 0
    while (wide := _WIDE.search(body, at)) is not None:
        end = body.find(b'"', wide.end())
        end = len(body) if end < 0 else end
        found += end - body.rfind(b'"', at, wide.start())
        at = end
    return found


def _structure(body: bytes) -> tuple[int, int]:
    """Opening brackets and commas outside of strings that hold no escaped quote."""
    whole = np.frombuffer(body, dtype=np.uint8)
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
