"""Lays plain span objects out as `WholeTraces`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from longpole.formats.rows import telemetry_of_spans
from longpole.model.ids import split_trace_id
from longpole.model.span import AttributeValue, Span
from longpole.storage.answers import LINK_COLUMNS, LINKS, whole_schema
from longpole.storage.memory_trace import KeptTrace
from longpole.storage.ports import TraceState, WholeTraces

_OTHER = ("attr_other_keys", "attr_other_vals")


def whole_traces(
    traces: Mapping[int, KeptTrace], trace_ids: Sequence[int], attributes: Sequence[str]
) -> WholeTraces:
    """The known ones of `trace_ids`, each once, ordered by id."""
    known = sorted(trace_id for trace_id in set(trace_ids) if trace_id in traces)
    rows: list[dict[str, object]] = []
    links: list[dict[str, object]] = []
    states: list[TraceState] = []
    for trace_id in known:
        trace = traces[trace_id]
        for row_id, span in sorted(trace.spans.values(), key=lambda entry: entry[0]):
            rows.append(_row(row_id, span) | {k: text_of(span, k) for k in attributes})
            links += (_link(row_id, link.trace_id, link.span_id) for link in span.links)
        states.append(
            TraceState(
                trace_id,
                trace.revision + 1,
                max(row_id for row_id, _ in trace.arrivals),
                trace.late,
                trace.duplicates,
                trace.clocks,
            )
        )
    return WholeTraces(
        pa.Table.from_pylist(rows, schema=whole_schema(attributes)),
        pa.Table.from_pylist(links, schema=LINKS),
        tuple(states),
    )


def text_of(span: Span, key: str) -> str | None:
    """The attribute of the span, else of its resource, as text."""
    for place, is_resource in ((span.attributes, False), (span.resource.attributes, True)):
        if key in place:
            return _text(place[key], span, key, is_resource)
    return None


def _text(value: AttributeValue, span: Span, key: str, is_resource: bool) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    # Bytes, arrays, maps and the empty value: the JSON that the columns hold.
    table = telemetry_of_spans([span]).tables["resources" if is_resource else "spans"]
    row = table.select(_OTHER).to_pylist()[0]
    return str(dict(zip(*(row[name] for name in _OTHER), strict=True))[key])


def _row(row_id: int, span: Span) -> dict[str, object]:
    hi, lo = split_trace_id(span.trace_id)
    return {
        "row_id": row_id,
        "trace_hi": hi,
        "trace_lo": lo,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "kind": span.kind,
        "start_unix_nano": span.start_unix_nano,
        "duration_ns": span.duration_ns,
        "status_code": span.status_code,
        "status_message": span.status_message,
        "service_name": span.service_name,
    }


def _link(row_id: int, trace_id: int, span_id: int) -> dict[str, object]:
    hi, lo = split_trace_id(trace_id)
    return dict(zip(LINK_COLUMNS, (row_id, hi, lo, span_id), strict=True))
