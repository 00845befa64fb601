"""Texts in compiled loops: out of the body, end to end, as Arrow keeps a column of them.

Texts are looked at and copied eight bytes at a time, the last eight again if they overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from longpole.formats.compiled import layout
from longpole.formats.compiled.wire_loops import NOT_READ, Bytes, Codes, Ints, Rows, is_utf8
from longpole.model.compiling import (
    BYTES,
    INT,
    OUT,
    OUT_BYTES,
    OUT_CODES,
    OUT_ROWS,
    compiled,
    inlined,
)

_WORD = 8
_NO_ASCII = np.uint64(0x8080808080808080)


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """Of eight bytes of an array, wherever they begin."""
    proxy: Any = cgutils.create_struct_proxy
    held = proxy(kind)(context, builder, value=array)
    word = context.get_value_type(types.uint64)
    return builder.bitcast(builder.gep(held.data, [at]), word.as_pointer())


def _loading(typing_context: Any, data: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *arguments), align=1)

    return types.uint64(data, types.int64), generate


def _storing(typing_context: Any, data: Any, at: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *place, value = arguments
        builder.store(value, _address(context, builder, signature.args[0], *place), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), generate


# `_load(data, at)` and `_store(data, at, word)`: eight bytes as one number.
_load: Any = intrinsic(_loading)
_store: Any = intrinsic(_storing)


@inlined
def moved(data: Bytes, at: int, texts: Bytes, to: int) -> Any:
    """Copy eight bytes; something with their highest bits. Both ends are touched in the usual way,
    too, so that loops that are compiled with checks notice one beyond its array."""
    word = _load(data, at)
    texts[to + _WORD - 1] = 0
    _store(texts, to, word)
    return word | np.uint64(data[at + _WORD - 1])


@inlined
def copy_text(data: Bytes, begin: int, end: int, texts: Bytes, size: int) -> int:
    """Append a text; the new size, or -1 when it is not UTF-8."""
    length = end - begin
    seen = np.uint64(0)
    if length < _WORD:
        for place in range(length):
            byte = data[begin + place]
            texts[size + place] = byte
            seen |= np.uint64(byte)
    else:
        for place in range(0, length - _WORD, _WORD):
            seen |= moved(data, begin + place, texts, size + place)
        seen |= moved(data, end - _WORD, texts, size + length - _WORD)
    after = size + length
    if seen & _NO_ASCII != 0 and not is_utf8(data, begin, end):
        after = NOT_READ
    return after


@compiled(BYTES, OUT_ROWS, INT, OUT_CODES, OUT_BYTES)
def take_texts(data: Bytes, rows: Rows, column: int, offsets: Codes, texts: Bytes) -> bool:
    """The texts that begin at `column` of each row and end at the next one; `offsets` begins with
    0. False when one is not UTF-8."""
    size = 0
    for row in range(len(rows)):
        size = copy_text(data, rows[row, column], rows[row, column + 1], texts, size)
        if size < 0:
            return False
        offsets[row + 1] = size
    return True


@compiled(OUT_ROWS, OUT_ROWS, OUT_ROWS)
def measure_attributes(rows: Rows, owners: Rows, sizes: Rows) -> None:
    """Per type into `sizes`: how many attributes the owners have, the bytes of their keys, and
    those of their texts."""
    for owner in range(len(owners)):
        for row in range(owners[owner, layout.ATTRIBUTES], owners[owner, layout.ATTRIBUTES_END]):
            kind = rows[row, layout.ATTRIBUTE_TYPE]
            sizes[kind, 0] += 1
            sizes[kind, 1] += rows[row, layout.ATTRIBUTE_KEY_END] - rows[row, layout.ATTRIBUTE_KEY]
            if kind == layout.TEXT:
                sizes[kind, 2] += (
                    rows[row, layout.ATTRIBUTE_VALUE_END] - rows[row, layout.ATTRIBUTE_VALUE]
                )


@compiled(
    BYTES, OUT_ROWS, OUT_ROWS, OUT_ROWS, OUT_ROWS,
    OUT_CODES, OUT_CODES, OUT_BYTES, OUT, OUT_CODES, OUT_BYTES,
)  # fmt: skip
def take_attributes(
    data: Bytes, rows: Rows, owners: Rows, starts: Rows, following: Rows,
    list_offsets: Codes, key_offsets: Codes, keys: Bytes,
    values: Ints, text_offsets: Codes, texts: Bytes,
) -> bool:  # fmt: skip
    """The attributes of all types in one go; False when a text is not UTF-8.

    What belongs to a type lies together, beginning where `starts` says (the number of the first,
    the first byte of its keys) and counted from there; `following` begins as a copy of it. Offsets
    are one more than what they divide, and zero before: `list_offsets` by type and owner,
    `key_offsets` by type and attribute, `text_offsets` by text. `values` are numbers as the scan
    has them, and the rows of attributes that are none.
    """
    text_size = 0
    for owner in range(len(owners)):
        for row in range(owners[owner, layout.ATTRIBUTES], owners[owner, layout.ATTRIBUTES_END]):
            kind = rows[row, layout.ATTRIBUTE_TYPE]
            made, size = following[kind, 0], following[kind, 1]
            size = copy_text(
                data, rows[row, layout.ATTRIBUTE_KEY], rows[row, layout.ATTRIBUTE_KEY_END],
                keys, size,
            )  # fmt: skip
            if size < 0:
                return False
            following[kind, 0], following[kind, 1] = made + 1, size
            key_offsets[made + kind + 1] = size - starts[kind, 1]
            value = rows[row, layout.ATTRIBUTE_VALUE]
            values[made] = row if kind == layout.OTHER else value
            if kind == layout.TEXT:
                text_size = copy_text(
                    data, value, rows[row, layout.ATTRIBUTE_VALUE_END], texts, text_size
                )
                if text_size < 0:
                    return False
                text_offsets[made - starts[kind, 0] + 1] = text_size
        for kind in range(layout.TYPES):
            place = kind * (len(owners) + 1) + owner + 1
            list_offsets[place] = following[kind, 0] - starts[kind, 0]
    return True
