"""The parts of a span in compiled loops: status, events, links."""

from __future__ import annotations

from longpole.formats.compiled import layout
from longpole.formats.compiled.attribute_loops import attribute, has_equal_keys
from longpole.formats.compiled.scan_tables import FULL, READ, TABLES, U32, UNUSUAL, Tables, pass_by
from longpole.formats.compiled.wire_loops import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Bytes,
    Ints,
    big_endian,
    content,
    fixed32,
    fixed64,
    skip,
    tag,
    varint,
)
from longpole.model.compiling import BYTES, INT, OUT, compiled


@compiled(BYTES, INT, INT, OUT)
def scan_status(data: Bytes, at: int, end: int, span: Ints) -> bool:
    """The Status of a span; one that comes twice is merged."""
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return False
        if name == (3 << 3 | VARINT):
            number, at = varint(data, at, end)
            span[layout.SPAN_CODE] = number
        elif name == (2 << 3 | LENGTH):
            begin, at = content(data, at, end)
            span[layout.SPAN_MESSAGE] = begin
            span[layout.SPAN_MESSAGE_END] = at
        elif name >> 3 == 1:  # what the field was once used for
            at = skip(data, at, end, name & 7)
        else:
            at = pass_by(data, at, end, name, 3)
        if at < 0:
            return False
    return True


@compiled(BYTES, INT, INT, INT, TABLES)
def scan_event(data: Bytes, at: int, end: int, span: int, tables: Tables) -> int:
    """One Event of a span."""
    made, events = tables.made, tables.events
    row, first = made[layout.EVENTS], made[layout.EVENT_ATTRIBUTES]
    if row == len(events):
        return FULL
    event = events[row]
    event[:] = 0
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return UNUSUAL
        if name == (1 << 3 | FIXED64):
            if at + 8 > end:
                return UNUSUAL
            event[layout.EVENT_TIME] = fixed64(data, at)
            at += 8
        elif name == (2 << 3 | LENGTH):
            begin, at = content(data, at, end)
            event[layout.EVENT_NAME] = begin
            event[layout.EVENT_NAME_END] = at
        elif name == (3 << 3 | LENGTH):
            begin, at = content(data, at, end)
            place = made[layout.EVENT_ATTRIBUTES]
            if place == len(tables.event_attributes):
                return FULL
            if at < 0 or not attribute(data, begin, at, tables.event_attributes, place):
                return UNUSUAL
            made[layout.EVENT_ATTRIBUTES] = place + 1
        elif name == (4 << 3 | VARINT):
            number, at = varint(data, at, end)
            event[layout.EVENT_DROPPED] = number & U32
        else:
            at = pass_by(data, at, end, name, 4)
        if at < 0:
            return UNUSUAL
    last = made[layout.EVENT_ATTRIBUTES]
    if has_equal_keys(data, tables.event_attributes, first, last):
        return UNUSUAL
    event[layout.EVENT_SPAN] = span
    event[layout.EVENT_ATTRIBUTES_END] = last
    made[layout.EVENTS] = row + 1
    return READ


@compiled(BYTES, INT, INT, INT, TABLES)
def scan_link(data: Bytes, at: int, end: int, span: int, tables: Tables) -> int:
    """One Link of a span; its ids may be absent or empty."""
    made, links = tables.made, tables.links
    row, first = made[layout.LINKS], made[layout.LINK_ATTRIBUTES]
    if row == len(links):
        return FULL
    link = links[row]
    link[:] = 0
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return UNUSUAL
        if name == (1 << 3 | LENGTH):
            begin, at = content(data, at, end)
            if at - begin != 16 and at != begin:
                return UNUSUAL
            link[layout.LINK_TRACE_HI] = big_endian(data, begin) if at > begin else 0
            link[layout.LINK_TRACE_LO] = big_endian(data, begin + 8) if at > begin else 0
        elif name == (2 << 3 | LENGTH):
            begin, at = content(data, at, end)
            if at - begin != 8 and at != begin:
                return UNUSUAL
            link[layout.LINK_ID] = big_endian(data, begin) if at > begin else 0
        elif name == (3 << 3 | LENGTH):
            begin, at = content(data, at, end)
            link[layout.LINK_STATE] = begin
            link[layout.LINK_STATE_END] = at
        elif name == (4 << 3 | LENGTH):
            begin, at = content(data, at, end)
            place = made[layout.LINK_ATTRIBUTES]
            if place == len(tables.link_attributes):
                return FULL
            if at < 0 or not attribute(data, begin, at, tables.link_attributes, place):
                return UNUSUAL
            made[layout.LINK_ATTRIBUTES] = place + 1
        elif name == (5 << 3 | VARINT):
            number, at = varint(data, at, end)
            link[layout.LINK_DROPPED] = number & U32
        elif name == (6 << 3 | FIXED32):
            if at + 4 > end:
                return UNUSUAL
            link[layout.LINK_FLAGS] = fixed32(data, at)
            at += 4
        else:
            at = pass_by(data, at, end, name, 6)
        if at < 0:
            return UNUSUAL
    last = made[layout.LINK_ATTRIBUTES]
    if has_equal_keys(data, tables.link_attributes, first, last):
        return UNUSUAL
    link[layout.LINK_SPAN] = span
    link[layout.LINK_ATTRIBUTES_END] = last
    made[layout.LINKS] = row + 1
    return READ
