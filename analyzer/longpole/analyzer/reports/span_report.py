"""The report of one span: all that is stored of it, and what its trace says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.reports.trace_columns.columns import ON_PATH, SHIFTED
from longpole.analyzer.reports.trace_report import (
    kind_name,
    log_document,
    plain_value,
    status_name,
)
from longpole.analyzer.reports.trace_view import TraceView
from longpole.analyzer.reports.usual_roots import RootRun, usual_roots
from longpole.analyzer.reports.usual_runs import Run, usual_runs
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.span import Attributes, Span
from longpole.storage.ports import TraceReader

MOST_ROWS_OF_ID = 50
# Not known of roots, as these are counted by trace.
_NO_RATES = {"rate_per_second": None, "error_ratio": None}


@dataclass(frozen=True, slots=True)
class SpanReport:
    """A span as it was sent, and the document about it."""

    span: Span
    document: dict[str, Any]


def span_report(reader: TraceReader, view: TraceView, row: int) -> SpanReport | None:
    """The span of a row of a view; None when it has expired since. Times have clocks put right
    (`sent_start_unix_nano` has not); `attributes` are plain JSON values. `rows_of_id` are the rows
    of all spans with its id, its own among them; `findings` are those about this one of them."""
    columns = view.columns
    found = reader.spans_of(columns.trace_id, [int(columns.span_ids[row])])
    if not found:
        return None
    span = _of_row(view, row, found)
    flags = int(columns.arrays["flags"][row])
    shift = 0
    if flags & SHIFTED:
        shift = columns.axis.begin + int(columns.starts_ns[row]) - span.start_unix_nano
    span_id, total = span_id_hex(span.span_id), view.summary["duration_ns"]
    duration, critical = int(columns.durations_ns[row]), int(columns.critical_ns[row])
    run = Run(span.service_name, span.name, span.kind, duration)
    began = view.summary["start_unix_nano"]
    rows = columns.rows_of(span.span_id)
    document = {
        "trace_id": trace_id_hex(span.trace_id),
        "span_id": span_id,
        "row": row,
        "rows_of_id": rows[:MOST_ROWS_OF_ID],
        "spans_of_id": len(rows),
        "parent_span_id": span_id_hex(span.parent_span_id) if span.parent_span_id else None,
        "service": span.service_name,
        "operation": span.name,
        "kind": kind_name(span.kind),
        "status": status_name(span.status_code),
        "status_message": span.status_message,
        "start_unix_nano": span.start_unix_nano + shift,
        "sent_start_unix_nano": span.start_unix_nano,
        "after_root_ns": span.start_unix_nano + shift - began,
        "duration_ns": duration,
        "self_ns": int(columns.self_ns[row]),
        "critical_ns": critical,
        "critical_share": round(critical / total, 6) if total else 0.0,
        "on_path": bool(flags & ON_PATH),
        "trace_state": span.trace_state,
        "flags": span.flags,
        "attributes": _plain(span.attributes),
        "events": [
            {
                "time_unix_nano": event.time_unix_nano + shift,
                "name": event.name,
                "attributes": _plain(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "trace_id": trace_id_hex(link.trace_id),
                "span_id": span_id_hex(link.span_id),
                "attributes": _plain(link.attributes),
            }
            for link in span.links
        ],
        "logs": [log_document(log) for log in view.logs if log.span_id == span.span_id],
        "resource": _plain(span.resource.attributes),
        "scope": {
            "name": span.scope.name,
            "version": span.scope.version,
            "attributes": _plain(span.scope.attributes),
        },
        "dropped": {
            "attributes": span.dropped_attributes_count,
            "events": span.dropped_events_count,
            "links": span.dropped_links_count,
        },
        "findings": [
            f
            for f in view.summary["findings"]
            if span_id in f["span_ids"]
            and (len(rows) < 2 or columns.meant_row(rows, f["service"], f["operation"]) == row)
        ],
        "usual": _usual(reader, view, row, run),
    }
    return SpanReport(span, document)


def _usual(reader: TraceReader, view: TraceView, row: int, run: Run) -> dict[str, Any] | None:
    """Of the root how it compares with other roots, of any other span with all its runs."""
    summary = view.summary
    root = RootRun.of(summary) if row == view.columns.root else None
    if root is not None:
        found = usual_roots(reader, root)
        return found and {**found, "before": None, "now": {**_NO_RATES, **found["now"]}}
    return usual_runs(reader, run, (summary["start_unix_nano"], summary["duration_ns"]))


def _of_row(view: TraceView, row: int, found: Sequence[Span]) -> Span:
    """The span of a row among those that share its id."""
    columns = view.columns
    name, service = columns.operations[int(columns.arrays["op"][row])]
    alike = [s for s in found if (s.name, s.service_name) == (name, columns.services[service])]
    start = columns.axis.begin + int(columns.starts_ns[row])
    return next((s for s in alike if s.start_unix_nano == start), (alike or found)[0])


def _plain(attributes: Attributes) -> dict[str, Any]:
    return {key: plain_value(value) for key, value in attributes.items()}
