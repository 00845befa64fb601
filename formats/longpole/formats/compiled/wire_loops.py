"""The protobuf wire format in compiled loops: numbers, tags, skipping, UTF-8.

Positions are indexes into the body; -1 in place of a position says that the bytes are not what
this decoder reads, be they broken or only unusual. Nothing is read at `end` or beyond. Integers
are the 64 bits of the number as int64. No loop here makes an array.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from longpole.model.compiling import BYTES, INT, compiled, inlined

Bytes: TypeAlias = NDArray[np.uint8]
Codes: TypeAlias = NDArray[np.int32]
Ints: TypeAlias = NDArray[np.int64]
Rows: TypeAlias = NDArray[np.int64]

NOT_READ = -1
# Wire types.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_LONGEST = 10  # bytes of a varint
_LAST_TAG = 2**32


@compiled(BYTES, INT, INT)
def long_varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A base-128 number of any length, and what follows it."""
    value = np.int64(0)
    for place in range(_LONGEST):
        if at + place >= end:
            break
        byte = np.int64(data[at + place])
        value |= (byte & np.int64(127)) << np.int64(7 * place)
        if byte < 128:
            # Of the tenth byte one bit has room.
            if place == _LONGEST - 1 and byte > 1:
                break
            return int(value), at + place + 1
    return 0, NOT_READ


@inlined
def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """A base-128 number, and what follows it; most have one byte."""
    number, after = 0, NOT_READ
    if at < end and data[at] < 128:
        number, after = int(data[at]), at + 1
    else:
        number, after = long_varint(data, at, end)
    return number, after


@inlined
def content(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Where the content of a length-delimited field begins and ends; its length is at `at`."""
    size, begin = varint(data, at, end)
    after = begin + size
    if begin < 0 or size < 0 or size > end - begin:
        begin, after = NOT_READ, NOT_READ
    return begin, after


@inlined
def tag(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Field number and wire type as one number (`number << 3 | type`), and what follows it."""
    value, after = varint(data, at, end)
    # Numbers beyond 2^29 and zero are no fields; a tag that is longer than it needs to be is
    # left to the reference.
    if after < 0 or after - at > 5 or value < 8 or value >= _LAST_TAG:
        return 0, NOT_READ
    return value, after


@inlined
def skip(data: Bytes, at: int, end: int, kind: int) -> int:
    """Where the content of a field that begins at `at` ends. Groups are not read."""
    after = NOT_READ
    if kind == VARINT:
        after = varint(data, at, end)[1]
    elif kind == FIXED64:
        after = at + 8
    elif kind == FIXED32:
        after = at + 4
    elif kind == LENGTH:
        after = content(data, at, end)[1]
    return after if after <= end else NOT_READ


@inlined
def fixed64(data: Bytes, at: int) -> int:
    """Eight bytes, the lowest first."""
    value = np.int64(0)
    for place in range(8):
        value |= np.int64(data[at + place]) << np.int64(8 * place)
    return int(value)


@inlined
def big_endian(data: Bytes, at: int) -> int:
    """Eight bytes of an id, the highest first."""
    value = np.int64(0)
    for place in range(8):
        value = (value << np.int64(8)) | np.int64(data[at + place])
    return int(value)


@inlined
def fixed32(data: Bytes, at: int) -> int:
    """Four bytes, the lowest first, unsigned."""
    value = np.int64(0)
    for place in range(4):
        value |= np.int64(data[at + place]) << np.int64(8 * place)
    return int(value)


@compiled(BYTES, INT, INT)
def is_utf8(data: Bytes, at: int, end: int) -> bool:
    """Whether the bytes are UTF-8 as RFC 3629 has it: shortest forms, no surrogates."""
    while at < end:
        first = data[at]
        if first < 0x80:
            at += 1
            continue
        if first < 0xC2 or first > 0xF4:
            return False
        more = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
        if at + more >= end:
            return False
        second = data[at + 1]
        low, high = 0x80, 0xBF
        if first == 0xE0:
            low = 0xA0
        elif first == 0xED:
            high = 0x9F
        elif first == 0xF0:
            low = 0x90
        elif first == 0xF4:
            high = 0x8F
        if second < low or second > high:
            return False
        for place in range(2, more + 1):
            if data[at + place] < 0x80 or data[at + place] > 0xBF:
                return False
        at += more + 1
    return True
