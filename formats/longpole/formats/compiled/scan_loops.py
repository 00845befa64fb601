"""Reads an OTLP request of any signal in one compiled loop: where everything is, and the numbers.

```
body ── scan ──▶ messages    one row each: request, groups, scopes, records, parts of records
                 attributes  one row each, those of a message one after the other
```

Messages are read level by level: a message of the one gives rows to those inside it, which are
read when their row has its turn, so that nothing recurses, and those of a kind stand in the order
of the request. What the fields mean is a table, see `plans`. Tables are rows of int64, so that
what belongs together is written together; the caller makes them, and no loop here makes an array.

What is not plain (groups, wrong wire types, odd ids, repeated keys, a text that comes twice) ends
the scan with UNUSUAL, and the reference decoder reads the request instead: it knows what is to
be saved of it, and what to say.
"""

from __future__ import annotations

from numba import types

from longpole.formats.compiled import layout
from longpole.formats.compiled.attribute_loops import any_value, attribute, has_equal_keys
from longpole.formats.compiled.plans import (
    ATTRIBUTE,
    CHILD,
    CHOICE,
    FIXED,
    NUMBER,
    PASSED_BY,
    PLACE,
    SPAN_ID,
    TRACE_ID,
    VALUE,
    WORD,
    Plan,
)
from longpole.formats.compiled.wire_loops import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Bytes,
    Ints,
    Rows,
    big_endian,
    content,
    fixed32,
    fixed64,
    skip,
    tag,
    varint,
)
from longpole.model.compiling import BYTES, OUT, OUT_ROWS, compiled

# How a scan ends: FULL asks for larger tables.
READ, UNUSUAL, FULL = range(3)
_PLANS = types.Array(types.int64, 3, "C", readonly=True)


@compiled(BYTES, _PLANS, OUT_ROWS, OUT_ROWS, OUT)
def scan(data: Bytes, plans: Plan, messages: Rows, attributes: Rows, made: Ints) -> int:
    """All messages within the one of the first row, which the caller has filled; `made` is how
    many messages and attributes there are afterwards."""
    fields = plans.shape[1]
    row, count, keys = 0, 1, 0
    while row < count:
        kind, at, end = (
            messages[row, layout.KIND],
            messages[row, layout.BEGIN],
            messages[row, layout.END],
        )
        first = keys
        while at < end:
            start = at
            name, at = tag(data, at, end)
            if at < 0:
                return UNUSUAL
            field = name >> 3
            action = column = 0
            if field < fields:
                action, column = plans[kind, field, 0], plans[kind, field, 1]
            wire = name & 7
            if action == PASSED_BY:
                at = skip(data, at, end, wire)
            elif wire == LENGTH:
                begin, at = content(data, at, end)
                if at < 0:
                    return UNUSUAL
                if action == ATTRIBUTE:
                    if keys == len(attributes):
                        return FULL
                    if not attribute(data, begin, at, attributes, keys):
                        return UNUSUAL
                    if keys == first:
                        messages[row, layout.LABELS] = start
                    messages[row, layout.LABELS_END] = at
                    keys += 1
                elif action == PLACE:
                    if messages[row, column + 1] != 0:
                        return UNUSUAL
                    messages[row, column] = begin
                    messages[row, column + 1] = at
                elif action == CHILD:
                    if count == len(messages):
                        return FULL
                    messages[count] = 0
                    messages[count, layout.KIND] = column
                    messages[count, layout.PARENT] = row
                    messages[count, layout.BEGIN] = begin
                    messages[count, layout.END] = at
                    count += 1
                elif action == TRACE_ID:
                    if at - begin == 16:
                        messages[row, column] = big_endian(data, begin)
                        messages[row, column + 1] = big_endian(data, begin + 8)
                    elif at == begin:
                        messages[row, column] = 0
                        messages[row, column + 1] = 0
                    else:
                        return UNUSUAL
                elif action == SPAN_ID:
                    if at - begin == 8:
                        messages[row, column] = big_endian(data, begin)
                    elif at == begin:
                        messages[row, column] = 0
                    else:
                        return UNUSUAL
                elif action == VALUE:
                    if messages[row, column + 2] != 0 or not any_value(
                        data, begin, at, messages, row, column
                    ):
                        return UNUSUAL
                else:
                    return UNUSUAL
            elif wire == FIXED64 and action in (FIXED, CHOICE):
                if at + 8 > end:
                    return UNUSUAL
                messages[row, column] = fixed64(data, at)
                if action == CHOICE:
                    messages[row, column + 1] = field
                at += 8
            elif wire == VARINT and action == NUMBER:
                number, at = varint(data, at, end)
                messages[row, column] = number
            elif wire == FIXED32 and action == WORD:
                if at + 4 > end:
                    return UNUSUAL
                messages[row, column] = fixed32(data, at)
                at += 4
            else:
                return UNUSUAL
            if at < 0:
                return UNUSUAL
        if keys > first and has_equal_keys(data, attributes, first, keys):
            return UNUSUAL
        messages[row, layout.ATTRIBUTES] = first
        messages[row, layout.ATTRIBUTES_END] = keys
        row += 1
    made[0], made[1] = count, keys
    return READ
