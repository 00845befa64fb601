"""Attributes in compiled loops: where their keys and values are, and whether keys repeat.

The caller makes the table that is filled.
"""

from __future__ import annotations

import numpy as np

from longpole.formats.compiled import layout
from longpole.formats.compiled.wire_loops import (
    Bytes,
    Rows,
    content,
    fixed64,
    varint,
)
from longpole.model.compiling import BYTES, INT, OUT_ROWS, compiled

# Each key is compared with each other one; no SDK sends so many by default.
MOST_KEYS = 256
_KEY_TAG, _VALUE_TAG = 0x0A, 0x12
_TEXT_TAG, _TRUTH_TAG, _NUMBER_TAG, _DOUBLE_TAG = 0x0A, 0x10, 0x18, 0x21
_ARRAY_TAG, _MAP_TAG, _BYTES_TAG = 0x2A, 0x32, 0x3A


@compiled(BYTES, INT, INT, OUT_ROWS, INT)
def attribute(data: Bytes, at: int, end: int, rows: Rows, row: int) -> bool:
    """One KeyValue into a row of the attribute table; false for an unusual one. An attribute
    without a key has the empty one, without a value the empty value."""
    key = key_end = value = value_end = 0
    has_key = has_value = False
    while at < end:
        name = data[at]
        begin, at = content(data, at + 1, end)
        if begin < 0:
            return False
        if name == _KEY_TAG and not has_key:
            key, key_end, has_key = begin, at, True
        elif name == _VALUE_TAG and not has_value:
            value, value_end, has_value = begin, at, True
        else:
            return False
    rows[row, layout.ATTRIBUTE_KEY] = key
    rows[row, layout.ATTRIBUTE_KEY_END] = key_end
    return any_value(data, value, value_end, rows, row, layout.ATTRIBUTE_TYPE)


@compiled(BYTES, INT, INT, OUT_ROWS, INT, INT)
def any_value(data: Bytes, at: int, end: int, rows: Rows, row: int, column: int) -> bool:
    """An AnyValue of one field, or none, into a row: its type at `column`, then the two columns
    of a value, as in the attribute table."""
    name = data[at] if at < end else np.uint8(0)
    kind, value, after = layout.OTHER, at, end
    if name == _TEXT_TAG:
        kind = layout.TEXT
        value, after = content(data, at + 1, end)
    elif name in (_NUMBER_TAG, _TRUTH_TAG):
        value, after = varint(data, at + 1, end)
        kind = layout.NUMBER
        if name == _TRUTH_TAG:
            kind, value = layout.TRUTH, 1 if value != 0 else 0
    elif name == _DOUBLE_TAG:
        kind, after = layout.DOUBLE, at + 9
        if after != end:
            return False
        value = fixed64(data, at + 1)
    elif name in (_ARRAY_TAG, _MAP_TAG, _BYTES_TAG):
        after = content(data, at + 1, end)[1]
    elif at < end:
        return False
    rows[row, column] = kind
    rows[row, column + 1] = value
    rows[row, column + 2] = end
    return after == end


@compiled(BYTES, OUT_ROWS, INT, INT)
def has_equal_keys(data: Bytes, rows: Rows, first: int, end: int) -> bool:
    """Whether two attributes of one owner have the same key, or there are too many to tell."""
    if end - first > MOST_KEYS:
        return True
    seen = np.uint64(0)
    for one in range(first, end):
        key = rows[one, layout.ATTRIBUTE_KEY]
        size = rows[one, layout.ATTRIBUTE_KEY_END] - key
        # Keys of one owner differ in their lengths and last letters, mostly.
        mark = size if size == 0 else size * 7 + np.int64(data[key + size - 1]) * 11
        bit = np.uint64(1) << np.uint64(mark & 63)
        if seen & bit and is_key_before(data, rows, first, one):
            return True
        seen |= bit
    return False


@compiled(BYTES, OUT_ROWS, INT, INT)
def is_key_before(data: Bytes, rows: Rows, first: int, one: int) -> bool:
    """Whether the key of row `one` is that of an earlier row from `first` on."""
    key = rows[one, layout.ATTRIBUTE_KEY]
    size = rows[one, layout.ATTRIBUTE_KEY_END] - key
    for other in range(first, one):
        place = rows[other, layout.ATTRIBUTE_KEY]
        if rows[other, layout.ATTRIBUTE_KEY_END] - place != size:
            continue
        left = size
        while left > 0 and data[key + left - 1] == data[place + left - 1]:
            left -= 1
        if left == 0:
            return True
    return False
