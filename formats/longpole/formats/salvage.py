"""Saves what strict protobuf parsing refuses: bad UTF-8 and values nested too deep.

The walk goes down only where strict parsing fails, so good spans of a bad batch are copied
as they are. Bad bytes become U+FFFD; deep values are wrapped (see `any_value`) or cut off.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from longpole.formats import any_value, wire
from longpole.formats.malformed import MalformedRequest
from longpole.formats.otlp_json import warn_too_deep
from longpole.formats.tally import Tally

_ANY_VALUE = AnyValue.DESCRIPTOR
_STRING, _ARRAY, _KVLIST = 1, 5, 6


def mend(request_type: Any, body: bytes, tally: Tally) -> bytes:
    """A body that parses strictly and holds everything that could be saved. Raises
    `MalformedRequest` when the wire format itself is broken."""
    mended = _Walk(request_type, tally).message(request_type.DESCRIPTOR, body, ())
    try:
        request_type.FromString(mended)
    except DecodeError as error:
        raise MalformedRequest(f"The body is not an OTLP request: {error}.") from None
    return mended


class _Walk:
    def __init__(self, request_type: Any, tally: Tally) -> None:
        self._request_type = request_type
        self._tally = tally

    def _parses(self, data: bytes, path: tuple[bytes, ...]) -> bool:
        """Whether a part is fine where it stands: nesting counts from the request down."""
        for tag in reversed(path):
            data = b"".join((tag, any_value.varint(len(data)), data))
        try:
            self._request_type.FromString(data)
        except DecodeError:
            return False
        return True

    def message(self, descriptor: Descriptor, data: bytes, path: tuple[bytes, ...]) -> bytes:
        known = {field.number: field for field in descriptor.fields}
        parts: list[bytes] = []
        for number, kind, begin, content, end in wire.fields(data, 0, len(data)):
            field = known.get(number)
            if field is None or kind != wire.BYTES:
                parts.append(data[begin:end])
                continue
            tag = any_value.varint(number << 3 | wire.BYTES)
            old = data[content:end]
            if field.message_type is _ANY_VALUE:
                new = self.any_value(data, content, end, 0, 0)
            elif field.message_type is not None:
                inner = (*path, tag)
                new = old
                if not self._parses(old, inner):
                    new = self.message(field.message_type, old, inner)
            elif field.type == FieldDescriptor.TYPE_STRING:
                new = self._text(old)
            else:
                new = old
            parts += (tag, any_value.varint(len(new)), new)
        return b"".join(parts)

    def any_value(self, data: bytes, start: int, end: int, depth: int, containers: int) -> bytes:
        """The value inside `depth` containers, `containers` of them since the last wrapping.
        Recursion ends at the depth that is kept, whatever the input does."""
        parts: list[bytes] = []
        for number, kind, begin, content, stop in wire.fields(data, start, end):
            if kind != wire.BYTES or number not in (_STRING, _ARRAY, _KVLIST):
                parts.append(data[begin:stop])
            elif number == _STRING:
                parts.append(_field(_STRING, self._text(data[content:stop])))
            elif depth >= any_value.CONTAINERS_KEPT:
                parts.append(_field(_STRING, any_value.TOO_DEEP.encode()))
                warn_too_deep(self._tally)
            elif containers >= any_value.CONTAINERS_PER_WRAP:
                inner = self._container(data, number, content, stop, depth + 1, 1)
                parts.append(any_value.wrap_bytes(_field(number, inner)))
            else:
                inner = self._container(data, number, content, stop, depth + 1, containers + 1)
                parts.append(_field(number, inner))
        return b"".join(parts)

    def _container(
        self, data: bytes, number: int, start: int, end: int, depth: int, containers: int
    ) -> bytes:
        parts: list[bytes] = []
        for item, kind, begin, content, stop in wire.fields(data, start, end):
            if item != 1 or kind != wire.BYTES:
                parts.append(data[begin:stop])
            elif number == _ARRAY:
                parts.append(_field(1, self.any_value(data, content, stop, depth, containers)))
            else:
                parts.append(_field(1, self._pair(data, content, stop, depth, containers)))
        return b"".join(parts)

    def _pair(self, data: bytes, start: int, end: int, depth: int, containers: int) -> bytes:
        parts: list[bytes] = []
        for number, kind, begin, content, stop in wire.fields(data, start, end):
            if kind == wire.BYTES and number == 1:
                parts.append(_field(1, self._text(data[content:stop])))
            elif kind == wire.BYTES and number == 2:
                parts.append(_field(2, self.any_value(data, content, stop, depth, containers)))
            else:
                parts.append(data[begin:stop])
        return b"".join(parts)

    def _text(self, raw: bytes) -> bytes:
        try:
            raw.decode()
        except UnicodeDecodeError:
            self._tally.warn(
                "invalid_utf8",
                "A string is not UTF-8; its bad bytes are stored as U+FFFD.",
            )
            return raw.decode(errors="replace").encode()
        return raw


def _field(number: int, content: bytes) -> bytes:
    return b"".join(
        (any_value.varint(number << 3 | wire.BYTES), any_value.varint(len(content)), content)
    )
