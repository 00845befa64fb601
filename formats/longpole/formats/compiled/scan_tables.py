"""What a scan of a request fills, and how it ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from longpole.formats.compiled.wire_loops import NOT_READ, Bytes, Ints, Rows, skip
from longpole.model.compiling import OUT, OUT_ROWS, inlined

# How a scan ends: FULL asks for larger tables.
READ, UNUSUAL, FULL = range(3)
U32 = np.int64(2**32 - 1)


class Tables(NamedTuple):
    """What a scan fills. `made` counts the rows, see the counters of `layout`."""

    made: Ints
    scopes: Rows
    spans: Rows
    events: Rows
    links: Rows
    span_attributes: Rows
    event_attributes: Rows
    link_attributes: Rows


TABLES = types.NamedTuple((OUT, *(OUT_ROWS,) * 7), Tables)  # type: ignore[no-untyped-call]


@inlined
def pass_by(data: Bytes, at: int, end: int, name: int, last_known: int) -> int:
    """What follows a field that this version of OTLP does not have; a known one that got here
    comes twice or with another wire type, which is for the reference to judge."""
    if name >> 3 <= last_known:
        return NOT_READ
    return skip(data, at, end, name & 7)
