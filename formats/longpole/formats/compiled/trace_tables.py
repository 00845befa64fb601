"""Trace requests to tables by the compiled loops: what the reference decoder gives, or nothing.

A request is scanned once (`scan_loops`), texts are copied out of it column by column, and Arrow
takes the buffers as they are. Resources and scopes are few and come again with every request, so
the reference reads them, once for all requests that carry the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from longpole.formats.compiled import layout, plans
from longpole.formats.compiled.list_columns import (
    BadText,
    attribute_arrays,
    ids,
    table_of,
    text_array,
)
from longpole.formats.compiled.owners import Owners, owners_of
from longpole.formats.compiled.scanning import Scanned, scanned
from longpole.formats.compiled.wire_loops import Ints, Rows
from longpole.model import columns

# Making one takes longer than reading a span.
_NO_EVENTS, _NO_LINKS = columns.SPAN_EVENTS.empty_table(), columns.SPAN_LINKS.empty_table()


def tables_of_traces(body: bytes) -> tuple[dict[str, pa.Table], bool] | None:
    """The tables of the request and whether any span has a time, as the reference decoder gives
    them; None for a request that only the reference can judge."""
    request = scanned(body, plans.TRACES)
    if request is None:
        return None
    spans = request.kind(layout.RECORD)
    if not _haveids(spans) or not _take_statuses(request, spans):
        return None
    of_scope = request.parents(spans, layout.SCOPE, layout.SCOPE)
    owners = owners_of(request, of_scope)
    if owners is None:
        return None
    try:
        tables = {
            "spans": _span_table(request, spans, owners, of_scope),
            "span_events": _event_table(request, spans),
            "span_links": _link_table(request, spans),
            "resources": owners.resources,
            "scopes": owners.scopes,
        }
    except BadText:
        return None
    has_time = bool(spans[:, layout.SPAN_START].any() or spans[:, layout.SPAN_STOP].any())
    return tables, has_time


def _haveids(spans: Rows) -> bool:
    traces = spans[:, layout.SPAN_TRACE_HI] | spans[:, layout.SPAN_TRACE_LO]
    return bool(traces.all() and spans[:, layout.SPAN_ID].all())


def _take_statuses(request: Scanned, spans: Rows) -> bool:
    """Into the rows of their spans; whether no span has two, which are merged."""
    statuses = request.kind(layout.STATUS)
    of = request.parents(statuses, layout.RECORD, layout.RECORD)
    spans[of, layout.SPAN_CODE] = statuses[:, layout.STATUS_CODE]
    spans[of, layout.SPAN_MESSAGE] = statuses[:, layout.STATUS_MESSAGE]
    spans[of, layout.SPAN_MESSAGE_END] = statuses[:, layout.STATUS_MESSAGE_END]
    return bool((np.diff(of) > 0).all())


def _span_table(request: Scanned, spans: Rows, owners: Owners, scope: Ints) -> pa.Table:
    starts = spans[:, layout.SPAN_START]
    values: dict[str, Any] = {
        "row_id": np.arange(len(spans), dtype=np.uint64),
        "trace_hi": ids(spans, layout.SPAN_TRACE_HI),
        "trace_lo": ids(spans, layout.SPAN_TRACE_LO),
        "span_id": ids(spans, layout.SPAN_ID),
        "parent_span_id": ids(spans, layout.SPAN_PARENT),
        "trace_state": text_array(request, spans, layout.SPAN_STATE),
        "flags": spans[:, layout.SPAN_FLAGS].astype(np.uint32),
        "name": text_array(request, spans, layout.SPAN_NAME),
        "kind": spans[:, layout.SPAN_KIND].astype(np.int32),
        "start_unix_nano": starts.copy(),
        "duration_ns": spans[:, layout.SPAN_STOP] - starts,
        "status_code": spans[:, layout.SPAN_CODE].astype(np.int32),
        "status_message": text_array(request, spans, layout.SPAN_MESSAGE),
        "service_name": owners.services.take(pa.array(owners.service_places[scope])),
        "resource_id": owners.resource_ids[scope],
        "scope_id": owners.scope_ids[scope],
        "dropped_attributes_count": spans[:, layout.SPAN_DROPPED_ATTRIBUTES].astype(np.uint32),
        "dropped_events_count": spans[:, layout.SPAN_DROPPED_EVENTS].astype(np.uint32),
        "dropped_links_count": spans[:, layout.SPAN_DROPPED_LINKS].astype(np.uint32),
    }
    return table_of(columns.SPANS, values, attribute_arrays(request, spans))


def _event_table(request: Scanned, spans: Rows) -> pa.Table:
    events = request.kind(layout.EVENT)
    if not len(events):
        return _NO_EVENTS
    values = {
        **_span_keys(request, events, spans),
        "time_unix_nano": events[:, layout.EVENT_TIME].copy(),
        "name": text_array(request, events, layout.EVENT_NAME),
        "dropped_attributes_count": events[:, layout.EVENT_DROPPED].astype(np.uint32),
    }
    return table_of(columns.SPAN_EVENTS, values, attribute_arrays(request, events))


def _link_table(request: Scanned, spans: Rows) -> pa.Table:
    links = request.kind(layout.LINK)
    if not len(links):
        return _NO_LINKS
    values = {
        **_span_keys(request, links, spans),
        "linked_trace_hi": ids(links, layout.LINK_TRACE_HI),
        "linked_trace_lo": ids(links, layout.LINK_TRACE_LO),
        "linked_span_id": ids(links, layout.LINK_ID),
        "trace_state": text_array(request, links, layout.LINK_STATE),
        "flags": links[:, layout.LINK_FLAGS].astype(np.uint32),
        "dropped_attributes_count": links[:, layout.LINK_DROPPED].astype(np.uint32),
    }
    return table_of(columns.SPAN_LINKS, values, attribute_arrays(request, links))


def _span_keys(request: Scanned, parts: Rows, spans: Rows) -> dict[str, Any]:
    rows = request.parents(parts, layout.RECORD, layout.RECORD)
    return {
        "row_id": rows.astype(np.uint64),
        "trace_hi": ids(spans, layout.SPAN_TRACE_HI)[rows],
        "trace_lo": ids(spans, layout.SPAN_TRACE_LO)[rows],
        "span_id": ids(spans, layout.SPAN_ID)[rows],
    }
