"""Trace requests to span tables: the definition of what is kept of a span."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from longpole.formats.attributes import AttributeColumns
from longpole.formats.columnar import build_table, signed, span_ids, trace_ids
from longpole.formats.envelope import Envelope
from longpole.formats.tally import Tally
from longpole.model import columns

_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)

BAD_TRACE_ID = (
    "invalid_trace_id",
    "The trace id is not 16 bytes that are not all zero; the span is not kept. Look at the "
    "sender's propagator or id generator.",
)
BAD_SPAN_ID = (
    "invalid_span_id",
    "The span id is not 8 bytes that are not all zero; the span is not kept. Look at the "
    "sender's id generator.",
)


class SpanRows:
    """Spans, events and links of one request, column by column."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.envelope = Envelope(tally)
        self._core: dict[str, list[Any]] = {
            name: [] for name in columns.SPANS.names if name not in columns.ATTRIBUTE_COLUMNS
        }
        self._trace_ids: list[bytes] = []
        self._ends: list[int] = []
        self._attributes = AttributeColumns()
        self._events: list[tuple[Any, ...]] = []
        self._event_attributes = AttributeColumns()
        self._links: list[tuple[Any, ...]] = []
        self._link_attributes = AttributeColumns()

    def read(self, request: ExportTraceServiceRequest) -> None:
        """Every span of the request; what is rejected or repaired changes the message."""
        for resource_spans in request.resource_spans:
            owner: tuple[int, str] | None = None
            for scope_spans in resource_spans.scope_spans:
                doomed: set[int] = set()
                scope_id = 0
                for index, span in enumerate(scope_spans.spans):
                    if not self._has_ids(span):
                        doomed.add(index)
                        continue
                    if owner is None:
                        owner = self.envelope.resource(
                            resource_spans.resource, resource_spans.schema_url
                        )
                    if not scope_id:
                        scope_id = self.envelope.scope(scope_spans.scope, scope_spans.schema_url)
                    self._add(span, owner, scope_id)
                if doomed:
                    kept = trace_pb2.ScopeSpans()
                    kept.spans.extend(
                        span for i, span in enumerate(scope_spans.spans) if i not in doomed
                    )
                    del scope_spans.spans[:]
                    scope_spans.spans.extend(kept.spans)

    def _has_ids(self, span: trace_pb2.Span) -> bool:
        trace_id, span_id = span.trace_id, span.span_id
        if len(trace_id) != 16 or trace_id == _NO_TRACE:
            self.tally.reject(*BAD_TRACE_ID)
            return False
        if len(span_id) != 8 or span_id == _NO_SPAN:
            self.tally.reject(*BAD_SPAN_ID)
            return False
        return True

    def _add(self, span: trace_pb2.Span, owner: tuple[int, str], scope_id: int) -> None:
        core = self._core
        row = len(self._ends)
        trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
        if len(parent) not in (0, 8):
            self.tally.warn(
                "invalid_parent_span_id",
                "The parent span id is not 8 bytes long; the span is kept as a root.",
                int.from_bytes(span_id, "big"),
            )
            span.ClearField("parent_span_id")
            parent = b""
        status = span.status
        self._trace_ids.append(trace_id)
        core["row_id"].append(row)
        core["span_id"].append(span_id)
        core["parent_span_id"].append(parent)
        core["trace_state"].append(span.trace_state)
        core["flags"].append(span.flags)
        core["name"].append(span.name)
        core["kind"].append(span.kind)
        core["start_unix_nano"].append(span.start_time_unix_nano)
        self._ends.append(span.end_time_unix_nano)
        core["status_code"].append(status.code)
        core["status_message"].append(status.message)
        core["service_name"].append(owner[1])
        core["resource_id"].append(owner[0])
        core["scope_id"].append(scope_id)
        core["dropped_attributes_count"].append(span.dropped_attributes_count)
        core["dropped_events_count"].append(span.dropped_events_count)
        core["dropped_links_count"].append(span.dropped_links_count)
        self._attributes.add(span.attributes, self.tally)
        for event in span.events:
            self._events.append(
                (
                    row,
                    trace_id,
                    span_id,
                    event.time_unix_nano,
                    event.name,
                    event.dropped_attributes_count,
                )
            )
            self._event_attributes.add(event.attributes, self.tally)
        for link in span.links:
            self._add_link(row, trace_id, span_id, link)

    def _add_link(self, row: int, trace_id: bytes, span_id: bytes, link: Any) -> None:
        linked_trace, linked_span = link.trace_id, link.span_id
        if len(linked_trace) not in (0, 16) or len(linked_span) not in (0, 8):
            self.tally.warn(
                "invalid_link_id",
                "A link names a trace or span id of wrong length; the link is kept without it.",
                int.from_bytes(span_id, "big"),
            )
            if len(linked_trace) != 16:
                link.ClearField("trace_id")
            if len(linked_span) != 8:
                link.ClearField("span_id")
            linked_trace, linked_span = link.trace_id, link.span_id
        self._links.append(
            (
                row,
                trace_id,
                span_id,
                linked_trace,
                linked_span,
                link.trace_state,
                link.flags,
                link.dropped_attributes_count,
            )
        )
        self._link_attributes.add(link.attributes, self.tally)

    @property
    def has_time(self) -> bool:
        """Whether any span carries a start or an end."""
        return any(self._core["start_unix_nano"]) or any(self._ends)

    def tables(self) -> dict[str, pa.Table]:
        """All tables of the signal."""
        values: dict[str, Any] = dict(self._core)
        values["trace_hi"], values["trace_lo"] = trace_ids(self._trace_ids)
        values["span_id"] = span_ids(values["span_id"])
        values["parent_span_id"] = span_ids(values["parent_span_id"])
        start = np.asarray(values["start_unix_nano"], dtype=np.uint64)
        values["start_unix_nano"] = start.view(np.int64)
        # Unsigned subtraction wraps, which is the two's complement difference.
        end = np.asarray(self._ends, dtype=np.uint64)
        values["duration_ns"] = (end - start).view(np.int64)
        return {
            "spans": build_table(columns.SPANS, values, self._attributes),
            "span_events": self._event_table(),
            "span_links": self._link_table(),
            **self.envelope.tables(),
        }

    def _event_table(self) -> pa.Table:
        rows, traces, spans, times, names, dropped = _turned(self._events, 6)
        hi, lo = trace_ids(traces)
        values = {
            "row_id": rows,
            "trace_hi": hi,
            "trace_lo": lo,
            "span_id": span_ids(spans),
            "time_unix_nano": signed(times),
            "name": names,
            "dropped_attributes_count": dropped,
        }
        return build_table(columns.SPAN_EVENTS, values, self._event_attributes)

    def _link_table(self) -> pa.Table:
        rows, traces, spans, to_traces, to_spans, states, flags, dropped = _turned(self._links, 8)
        hi, lo = trace_ids(traces)
        linked_hi, linked_lo = trace_ids(to_traces)
        values = {
            "row_id": rows,
            "trace_hi": hi,
            "trace_lo": lo,
            "span_id": span_ids(spans),
            "linked_trace_hi": linked_hi,
            "linked_trace_lo": linked_lo,
            "linked_span_id": span_ids(to_spans),
            "trace_state": states,
            "flags": flags,
            "dropped_attributes_count": dropped,
        }
        return build_table(columns.SPAN_LINKS, values, self._link_attributes)


def _turned(rows: list[tuple[Any, ...]], width: int) -> tuple[Any, ...]:
    return tuple(zip(*rows, strict=True)) if rows else ((),) * width
