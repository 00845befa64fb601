"""The protobuf wire format, one message level at a time and without recursion."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.formats.malformed import MalformedRequest

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)
_GROUPS_FOLLOWED = 64


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A varint at `at` and where it ends. Raises `MalformedRequest`."""
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise MalformedRequest(
                f"The protobuf is truncated or broken at byte {at}: unfinished number."
            )
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
        shift += 7


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(number, wire type, start of the field, start of its content, end) of every field in
    `data[start:end]`. A group is one field. Raises `MalformedRequest`."""
    at = start
    while at < end:
        begin = at
        tag, at = read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not number or number >= 2**29 or kind in (END_GROUP, 6, 7):
            raise MalformedRequest(f"The protobuf is broken at byte {begin}: no field is {tag}.")
        content, at = (
            _skip_group(data, at, end, number)
            if kind == START_GROUP
            else _skip(data, at, end, kind)
        )
        yield number, kind, begin, content, at


def _skip(data: bytes, at: int, end: int, kind: int) -> tuple[int, int]:
    content = at
    if kind == VARINT:
        _, at = read_varint(data, at, end)
    elif kind == FIXED64:
        at += 8
    elif kind == FIXED32:
        at += 4
    else:
        size, content = read_varint(data, at, end)
        at = content + size
    if at > end:
        raise MalformedRequest(
            f"The protobuf is truncated or broken at byte {content}: a field says it ends "
            f"{at - end} bytes after its message."
        )
    return content, at


def _skip_group(data: bytes, at: int, end: int, number: int) -> tuple[int, int]:
    content = at
    open_groups = [number]
    while open_groups:
        begin = at
        tag, at = read_varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not number or number >= 2**29 or kind in (6, 7):
            raise MalformedRequest(f"The protobuf is broken at byte {begin}: no field is {tag}.")
        if kind == START_GROUP:
            open_groups.append(number)
            if len(open_groups) > _GROUPS_FOLLOWED:
                raise MalformedRequest(f"Groups nest too deep at byte {begin}.")
        elif kind == END_GROUP:
            if open_groups.pop() != number:
                raise MalformedRequest(f"The protobuf is broken at byte {begin}: stray group end.")
        else:
            _, at = _skip(data, at, end, kind)
    return content, at
