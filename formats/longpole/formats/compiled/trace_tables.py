"""Trace requests to tables by the compiled loops: what the reference decoder gives, or nothing.

A request is scanned once (`span_loops`), texts are copied out of it column by column, and Arrow
takes the buffers as they are. Resources and scopes are few and come again with every request, so
the reference reads them, once for all requests that carry the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from longpole.formats.compiled import layout
from longpole.formats.compiled.list_columns import BadText, attribute_arrays, text_array
from longpole.formats.compiled.owners import Owners, owners_of
from longpole.formats.compiled.scan_tables import FULL, READ, Tables
from longpole.formats.compiled.span_loops import scan_request
from longpole.formats.compiled.wire_loops import Bytes, Rows
from longpole.model import columns

# Bytes of a body for each row that a first try has room for; what does not fit is tried again.
_BYTES_PER_SPAN, _BYTES_PER_ATTRIBUTE, _BYTES_PER_PART = 96, 16, 512
_LEAST_ROWS = 64


def tables_of_traces(body: bytes) -> tuple[dict[str, pa.Table], bool] | None:
    """The tables of the request and whether any span has a time, as the reference decoder gives
    them; None for a request that only the reference can judge."""
    data = np.frombuffer(body, np.uint8)
    scanned = _scanned(data)
    if scanned is None:
        return None
    made = scanned.made
    spans = scanned.spans[: made[layout.SPANS]]
    try:
        owners = owners_of(body, scanned.scopes[: made[layout.SCOPES]])
        if owners is None:
            return None
        tables = {
            "spans": _span_table(body, data, spans, scanned.span_attributes, owners),
            "span_events": _event_table(
                body, data, scanned.events[: made[layout.EVENTS]], spans, scanned.event_attributes
            ),
            "span_links": _link_table(
                body, data, scanned.links[: made[layout.LINKS]], spans, scanned.link_attributes
            ),
            "resources": owners.resources,
            "scopes": owners.scopes,
        }
    except BadText:
        return None
    has_time = bool(spans[:, layout.SPAN_START].any() or spans[:, layout.SPAN_STOP].any())
    return tables, has_time


def _scanned(data: Bytes) -> Tables | None:
    size = len(data)
    rows = [
        size // _BYTES_PER_PART, size // _BYTES_PER_SPAN, size // _BYTES_PER_PART,
        size // _BYTES_PER_PART, size // _BYTES_PER_ATTRIBUTE, size // _BYTES_PER_PART,
        size // _BYTES_PER_PART,
    ]  # fmt: skip
    widths = [
        layout.SCOPE_WIDTH, layout.SPAN_WIDTH, layout.EVENT_WIDTH, layout.LINK_WIDTH,
        *(layout.ATTRIBUTE_WIDTH,) * 3,
    ]  # fmt: skip
    while True:
        tables = Tables(
            np.zeros(layout.COUNTERS, np.int64),
            *(
                np.empty((_LEAST_ROWS + count, width), np.int64)
                for count, width in zip(rows, widths, strict=True)
            ),
        )
        outcome = scan_request(data, tables)
        if outcome == READ:
            return tables
        if outcome != FULL:
            return None
        rows = [4 * count + _LEAST_ROWS for count in rows]


def _span_table(
    body: bytes, data: Bytes, spans: Rows, attributes: Rows, owners: Owners
) -> pa.Table:
    scope = spans[:, layout.SPAN_SCOPE]
    starts = spans[:, layout.SPAN_START]
    values: dict[str, Any] = {
        "row_id": np.arange(len(spans), dtype=np.uint64),
        "trace_hi": _ids(spans, layout.SPAN_TRACE_HI),
        "trace_lo": _ids(spans, layout.SPAN_TRACE_LO),
        "span_id": _ids(spans, layout.SPAN_ID),
        "parent_span_id": _ids(spans, layout.SPAN_PARENT),
        "trace_state": text_array(data, spans, layout.SPAN_STATE),
        "flags": spans[:, layout.SPAN_FLAGS].astype(np.uint32),
        "name": text_array(data, spans, layout.SPAN_NAME),
        "kind": spans[:, layout.SPAN_KIND].astype(np.int32),
        "start_unix_nano": starts.copy(),
        "duration_ns": spans[:, layout.SPAN_STOP] - starts,
        "status_code": spans[:, layout.SPAN_CODE].astype(np.int32),
        "status_message": text_array(data, spans, layout.SPAN_MESSAGE),
        "service_name": owners.services.take(pa.array(owners.service_places[scope])),
        "resource_id": owners.resource_ids[scope],
        "scope_id": owners.scope_ids[scope],
        "dropped_attributes_count": spans[:, layout.SPAN_DROPPED_ATTRIBUTES].astype(np.uint32),
        "dropped_events_count": spans[:, layout.SPAN_DROPPED_EVENTS].astype(np.uint32),
        "dropped_links_count": spans[:, layout.SPAN_DROPPED_LINKS].astype(np.uint32),
    }
    lists = attribute_arrays(body, data, attributes, spans, layout.SPAN_ATTRIBUTES_END)
    return _table(columns.SPANS, values, lists)


def _event_table(body: bytes, data: Bytes, events: Rows, spans: Rows, attributes: Rows) -> pa.Table:
    if not len(events):
        return columns.SPAN_EVENTS.empty_table()
    values = {
        **_span_keys(spans, events[:, layout.EVENT_SPAN]),
        "time_unix_nano": events[:, layout.EVENT_TIME].copy(),
        "name": text_array(data, events, layout.EVENT_NAME),
        "dropped_attributes_count": events[:, layout.EVENT_DROPPED].astype(np.uint32),
    }
    lists = attribute_arrays(body, data, attributes, events, layout.EVENT_ATTRIBUTES_END)
    return _table(columns.SPAN_EVENTS, values, lists)


def _link_table(body: bytes, data: Bytes, links: Rows, spans: Rows, attributes: Rows) -> pa.Table:
    if not len(links):
        return columns.SPAN_LINKS.empty_table()
    values = {
        **_span_keys(spans, links[:, layout.LINK_SPAN]),
        "linked_trace_hi": _ids(links, layout.LINK_TRACE_HI),
        "linked_trace_lo": _ids(links, layout.LINK_TRACE_LO),
        "linked_span_id": _ids(links, layout.LINK_ID),
        "trace_state": text_array(data, links, layout.LINK_STATE),
        "flags": links[:, layout.LINK_FLAGS].astype(np.uint32),
        "dropped_attributes_count": links[:, layout.LINK_DROPPED].astype(np.uint32),
    }
    lists = attribute_arrays(body, data, attributes, links, layout.LINK_ATTRIBUTES_END)
    return _table(columns.SPAN_LINKS, values, lists)


def _span_keys(spans: Rows, rows: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "row_id": rows.astype(np.uint64),
        "trace_hi": _ids(spans, layout.SPAN_TRACE_HI)[rows],
        "trace_lo": _ids(spans, layout.SPAN_TRACE_LO)[rows],
        "span_id": _ids(spans, layout.SPAN_ID)[rows],
    }


def _ids(rows: Rows, column: int) -> NDArray[np.uint64]:
    return rows[:, column].copy().view(np.uint64)


def _table(schema: pa.Schema, values: dict[str, Any], lists: list[pa.Array]) -> pa.Table:
    arrays = dict(values)
    arrays.update(zip(columns.ATTRIBUTE_COLUMNS, lists, strict=True))
    return pa.table(
        [
            value if isinstance(value, pa.Array) else pa.array(value)
            for value in (arrays[name] for name in schema.names)
        ],
        schema=schema,
    )
