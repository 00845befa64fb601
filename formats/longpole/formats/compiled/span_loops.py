"""Reads an ExportTraceServiceRequest in compiled loops: where everything is, and the numbers.

```
body ── scan_request ──▶ scopes      one row per ScopeSpans: its messages and its resource's
                         spans       one row per span: ids, times, counts, where its texts are
                         events      one row per event, with the row of its span
                         links       one row per link, with the row of its span
                         attributes  of spans, of events, of links: one row each, in order
```

Tables are rows of int64 (see `layout`), so that what belongs together is written together. What
is not plain (groups, wrong wire types, odd ids, repeated keys, a message that comes twice) ends
the scan with UNUSUAL, and the reference decoder reads the request instead: it knows what is to
be saved of it, and what to say.
"""

from __future__ import annotations

from longpole.formats.compiled import layout
from longpole.formats.compiled.attribute_loops import attribute, has_equal_keys
from longpole.formats.compiled.part_loops import scan_event, scan_link, scan_status
from longpole.formats.compiled.scan_tables import FULL, READ, TABLES, U32, UNUSUAL, Tables, pass_by
from longpole.formats.compiled.wire_loops import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Bytes,
    big_endian,
    content,
    fixed32,
    fixed64,
    tag,
    varint,
)
from longpole.model.compiling import BYTES, INT, compiled


@compiled(BYTES, TABLES)
def scan_request(data: Bytes, tables: Tables) -> int:
    """The whole body into empty tables."""
    at, end, owner = 0, len(data), 0
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return UNUSUAL
        if name == (1 << 3 | LENGTH):
            begin, at = content(data, at, end)
            if at < 0:
                return UNUSUAL
            outcome = scan_resource_spans(data, begin, at, owner, tables)
            if outcome != READ:
                return outcome
            owner += 1
        else:
            at = pass_by(data, at, end, name, 1)
            if at < 0:
                return UNUSUAL
    return READ


@compiled(BYTES, INT, INT, INT, TABLES)
def scan_resource_spans(data: Bytes, at: int, end: int, owner: int, tables: Tables) -> int:
    """One ResourceSpans."""
    made, scopes = tables.made, tables.scopes
    first = made[layout.SCOPES]
    resource = resource_end = url = url_end = 0
    has_resource = False
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return UNUSUAL
        if name == (2 << 3 | LENGTH):
            begin, at = content(data, at, end)
            if at < 0:
                return UNUSUAL
            outcome = scan_scope_spans(data, begin, at, tables)
            if outcome != READ:
                return outcome
        elif name == (1 << 3 | LENGTH) and not has_resource:
            resource, at = content(data, at, end)
            resource_end, has_resource = at, True
        elif name == (3 << 3 | LENGTH):
            url, at = content(data, at, end)
            url_end = at
        else:
            at = pass_by(data, at, end, name, 3)
        if at < 0:
            return UNUSUAL
    # A resource without scopes is looked at, too: it may hold what has to be repaired.
    if made[layout.SCOPES] == first:
        if first == len(scopes):
            return FULL
        scopes[first] = 0
        made[layout.SCOPES] += 1
    for row in range(first, made[layout.SCOPES]):
        scopes[row, layout.SCOPE_OWNER] = owner
        scopes[row, layout.SCOPE_RESOURCE] = resource
        scopes[row, layout.SCOPE_RESOURCE_END] = resource_end
        scopes[row, layout.SCOPE_RESOURCE_URL] = url
        scopes[row, layout.SCOPE_RESOURCE_URL_END] = url_end
    return READ


@compiled(BYTES, INT, INT, TABLES)
def scan_scope_spans(data: Bytes, at: int, end: int, tables: Tables) -> int:
    """One ScopeSpans."""
    made, scopes = tables.made, tables.scopes
    row, first_span = made[layout.SCOPES], made[layout.SPANS]
    if row == len(scopes):
        return FULL
    scopes[row] = 0
    made[layout.SCOPES] += 1
    has_scope = False
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return UNUSUAL
        if name == (2 << 3 | LENGTH):
            begin, at = content(data, at, end)
            if at < 0:
                return UNUSUAL
            outcome = scan_span(data, begin, at, row, tables)
            if outcome != READ:
                return outcome
        elif name == (1 << 3 | LENGTH) and not has_scope:
            begin, at = content(data, at, end)
            scopes[row, layout.SCOPE_MESSAGE] = begin
            scopes[row, layout.SCOPE_MESSAGE_END] = at
            has_scope = True
        elif name == (3 << 3 | LENGTH):
            begin, at = content(data, at, end)
            scopes[row, layout.SCOPE_URL] = begin
            scopes[row, layout.SCOPE_URL_END] = at
        else:
            at = pass_by(data, at, end, name, 3)
        if at < 0:
            return UNUSUAL
    scopes[row, layout.SCOPE_USED] = 1 if made[layout.SPANS] > first_span else 0
    return READ


@compiled(BYTES, INT, INT, INT, TABLES)
def scan_span(data: Bytes, at: int, end: int, scope: int, tables: Tables) -> int:
    """One Span."""
    made, spans = tables.made, tables.spans
    row, first = made[layout.SPANS], made[layout.SPAN_ATTRIBUTES]
    if row == len(spans):
        return FULL
    span = spans[row]
    span[:] = 0
    has_id = has_trace_id = False
    while at < end:
        name, at = tag(data, at, end)
        if at < 0:
            return UNUSUAL
        kind = name & 7
        if kind == LENGTH and name <= (15 << 3 | LENGTH):
            begin, at = content(data, at, end)
            if at < 0:
                return UNUSUAL
            field = name >> 3
            if field == 9:
                place = made[layout.SPAN_ATTRIBUTES]
                if place == len(tables.span_attributes):
                    return FULL
                if not attribute(data, begin, at, tables.span_attributes, place):
                    return UNUSUAL
                made[layout.SPAN_ATTRIBUTES] = place + 1
            elif field == 1:
                if at - begin != 16:
                    return UNUSUAL
                has_trace_id = True
                span[layout.SPAN_TRACE_HI] = big_endian(data, begin)
                span[layout.SPAN_TRACE_LO] = big_endian(data, begin + 8)
            elif field == 2 or field == 4:
                # A parent may be absent or empty.
                if at - begin != 8 and (field == 2 or at != begin):
                    return UNUSUAL
                number = big_endian(data, begin) if at > begin else 0
                if field == 2:
                    has_id = True
                    span[layout.SPAN_ID] = number
                else:
                    span[layout.SPAN_PARENT] = number
            elif field == 5:
                span[layout.SPAN_NAME] = begin
                span[layout.SPAN_NAME_END] = at
            elif field == 3:
                span[layout.SPAN_STATE] = begin
                span[layout.SPAN_STATE_END] = at
            elif field == 11:
                outcome = scan_event(data, begin, at, row, tables)
                if outcome != READ:
                    return outcome
            elif field == 13:
                outcome = scan_link(data, begin, at, row, tables)
                if outcome != READ:
                    return outcome
            elif field == 15:
                if not scan_status(data, begin, at, span):
                    return UNUSUAL
            else:
                return UNUSUAL
        elif name == (7 << 3 | FIXED64) or name == (8 << 3 | FIXED64):
            if at + 8 > end:
                return UNUSUAL
            place = layout.SPAN_START if name >> 3 == 7 else layout.SPAN_STOP
            span[place] = fixed64(data, at)
            at += 8
        elif name == (6 << 3 | VARINT):
            number, at = varint(data, at, end)
            span[layout.SPAN_KIND] = number
        elif name == (16 << 3 | FIXED32):
            if at + 4 > end:
                return UNUSUAL
            span[layout.SPAN_FLAGS] = fixed32(data, at)
            at += 4
        elif name == (10 << 3 | VARINT):
            number, at = varint(data, at, end)
            span[layout.SPAN_DROPPED_ATTRIBUTES] = number & U32
        elif name == (12 << 3 | VARINT):
            number, at = varint(data, at, end)
            span[layout.SPAN_DROPPED_EVENTS] = number & U32
        elif name == (14 << 3 | VARINT):
            number, at = varint(data, at, end)
            span[layout.SPAN_DROPPED_LINKS] = number & U32
        else:
            at = pass_by(data, at, end, name, 16)
        if at < 0:
            return UNUSUAL
    has_ids = (
        has_trace_id
        and has_id
        and span[layout.SPAN_ID] != 0
        and (span[layout.SPAN_TRACE_HI] | span[layout.SPAN_TRACE_LO]) != 0
    )
    last = made[layout.SPAN_ATTRIBUTES]
    if not has_ids or has_equal_keys(data, tables.span_attributes, first, last):
        return UNUSUAL
    span[layout.SPAN_SCOPE] = scope
    span[layout.SPAN_ATTRIBUTES_END] = last
    made[layout.SPANS] = row + 1
    return READ
