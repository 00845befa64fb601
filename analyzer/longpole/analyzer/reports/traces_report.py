"""The list of matching traces, each with its verdict in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.traceql import format_query
from longpole.analyzer.verdict import line_of
from longpole.model.ids import join_trace_id, span_id_hex, trace_id_hex
from longpole.model.query import TraceQuery
from longpole.storage.ports import TraceReader

_KEPT = (
    "root_service",
    "root_operation",
    "start_unix_nano",
    "duration_ns",
    "span_count",
    "error_count",
    "service_count",
    "orphans",
    "headless",
    "late",
    "detached",
    "ambiguous_ns",
    "verdict",
    "revision",
    "is_settled",
)

_DEFAULTS = Thresholds()


def traces_report(
    reader: TraceReader,
    query: TraceQuery,
    options: PathOptions | None = None,
    thresholds: Thresholds = _DEFAULTS,
) -> dict[str, Any]:
    """Matching traces in the order storage found them, newest first, `query.limit` at most.

    A trace that is not settled is explained on the fly, so that it has a verdict too.
    """
    found = reader.find_traces(query)
    rows: list[dict[str, Any]] = []
    unsettled: dict[int, dict[str, Any]] = {}
    for row in found.traces.to_pylist():
        trace_id = join_trace_id(row["trace_hi"], row["trace_lo"])
        shown = shown_row(trace_id, row)
        rows.append(shown)
        if not row["is_settled"]:
            unsettled[trace_id] = shown
    for e in explanations(reader, list(unsettled), options):
        if e.root < 0:
            continue
        unsettled[e.trace_id].update(explained_values(e, thresholds))
    return {
        "query": format_query(query),
        "limit": query.limit,
        "traces": rows,
        "is_truncated": found.is_truncated,
        "notices": list(found.notices),
    }


def shown_row(trace_id: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the list, from a row of `FoundTraces`."""
    return {
        "trace_id": trace_id_hex(trace_id),
        "root_span_id": span_id_hex(row["root_span_id"]) if row["root_span_id"] else None,
        **{name: row[name] for name in _KEPT},
    }


def explained_values(e: Explanation, thresholds: Thresholds) -> dict[str, Any]:
    """What a line says of a trace that is not settled, once it is explained."""
    return {
        "root_span_id": span_id_hex(e.spans.span_ids[e.root]),
        "root_service": e.spans.services[e.root],
        "root_operation": e.spans.names[e.root],
        "start_unix_nano": e.start_unix_nano,
        "duration_ns": e.duration_ns,
        "span_count": len(e.spans),
        "error_count": e.error_count,
        "service_count": e.service_count,
        "orphans": e.completeness.orphans,
        "headless": e.completeness.headless,
        "late": e.completeness.late,
        "detached": e.completeness.detached,
        "ambiguous_ns": e.ambiguous_ns,
        "verdict": line_of(e, detect(e, thresholds)),
    }
