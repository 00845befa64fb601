"""Packed numbers in compiled loops: lists of them that stand in the rows of a scanned table.

The caller makes the arrays that are filled.
"""

from __future__ import annotations

from longpole.formats.compiled.wire_loops import NOT_READ, Bytes, Codes, Ints, Rows, fixed64, varint
from longpole.model.compiling import BYTES, INT, OUT, OUT_CODES, OUT_ROWS, compiled


@compiled(BYTES, OUT_ROWS, INT, OUT_CODES, OUT)
def take_fixed(data: Bytes, rows: Rows, column: int, offsets: Codes, numbers: Ints) -> bool:
    """The fixed64 of the places at `column`: the bits of all, and where each row's begin. False
    when a place holds a part of a number."""
    made = 0
    offsets[0] = 0
    for row in range(len(rows)):
        at, end = rows[row, column], rows[row, column + 1]
        if (end - at) % 8 != 0:
            return False
        while at < end:
            numbers[made] = fixed64(data, at)
            made += 1
            at += 8
        offsets[row + 1] = made
    return True


@compiled(BYTES, OUT_ROWS, INT, OUT_CODES, OUT)
def take_varints(data: Bytes, rows: Rows, column: int, offsets: Codes, numbers: Ints) -> int:
    """The same for numbers of any length, which are at most as many as their bytes; how many
    there are, -1 when they are broken."""
    made = 0
    offsets[0] = 0
    for row in range(len(rows)):
        at, end = rows[row, column], rows[row, column + 1]
        while at < end:
            number, at = varint(data, at, end)
            if at < 0:
                return NOT_READ
            numbers[made] = number
            made += 1
        offsets[row + 1] = made
    return made
