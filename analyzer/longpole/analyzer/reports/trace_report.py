"""The report of one trace: where its time went, why, and what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from longpole.analyzer.explain import Explanation, OtherTree, other_trees
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.labels import PathSegment
from longpole.analyzer.reports.findings_report import finding_document
from longpole.analyzer.verdict import VerdictEntry, failure_of, is_unusual, verdict_line, verdict_of
from longpole.model.finding import Finding
from longpole.model.ids import span_id_hex, trace_id_hex
from longpole.model.log import LogRecord
from longpole.model.problem import Problem
from longpole.model.span import AttributeValue, Span, SpanKind, StatusCode
from longpole.model.trace import Trace

_DEFAULTS = Thresholds()
_KINDS, _STATUSES = frozenset(SpanKind), frozenset(StatusCode)


def trace_report(
    explanation: Explanation,
    trace: Trace | None = None,
    logs: Sequence[LogRecord] = (),
    thresholds: Thresholds = _DEFAULTS,
    *,
    include_spans: bool = False,
) -> dict[str, Any]:
    """The JSON document of a trace: ids as hex, times and durations as integer nanoseconds.

    Besides the documented contract it holds `start_unix_nano`, `service_count`, `is_unusual`,
    `failure`, `verdict_line`, `problems`, `other_roots` (true roots beside the primary one, longest
    first), `orphan_trees`, `asynchronous` and `shifts` (the clocks that times were corrected by; a
    span has both `start_unix_nano` and, as sent, `sent_start_unix_nano`). With `include_spans`,
    `spans` has every span in tree order (primary tree first), its own attributes and events if
    `trace` is given.
    """
    e = explanation
    others = other_trees(e)
    findings = detect(e, thresholds)
    document = trace_summary(e, findings, verdict_of(e, findings))
    document |= {
        "segments": [segment_document(e, segment) for segment in e.segments],
        "logs": [log_document(record) for record in logs],
        "orphan_trees": [_tree(e, t) for t in others if t.reason == "orphan"],
        "asynchronous": [_tree(e, t) for t in others if t.reason != "orphan"],
    }
    if include_spans:
        document["spans"] = _spans(e, trace)
    return document


def trace_summary(
    explanation: Explanation, findings: Sequence[Finding], verdict: Sequence[VerdictEntry]
) -> dict[str, Any]:
    """What `trace_report` says without a list that grows with the trace."""
    e = explanation
    ids, services, names = e.spans.span_ids, e.spans.services, e.spans.names
    has_root = e.root >= 0
    failure = failure_of(e)
    return {
        "trace_id": trace_id_hex(e.trace_id),
        "start_unix_nano": e.start_unix_nano,
        "duration_ns": e.duration_ns,
        "span_count": len(e.spans),
        "error_count": e.error_count,
        "service_count": e.service_count,
        "root": {
            "span_id": span_id_hex(ids[e.root]) if has_root else None,
            "service": services[e.root] if has_root else None,
            "operation": names[e.root] if has_root else None,
        },
        "other_roots": [
            {
                "span_id": span_id_hex(ids[i]),
                "service": services[i],
                "operation": names[i],
                "duration_ns": e.spans.ends[i] - e.spans.starts[i],
            }
            for i in e.tree.other_roots(e.spans)
        ],
        "completeness": {
            "orphans": e.completeness.orphans,
            "headless": e.completeness.headless,
            "late": e.completeness.late,
            "skew_shifts": e.completeness.skew_shifts,
            "detached": e.completeness.detached,
            "settled": e.completeness.settled,
            "revision": e.completeness.revision,
        },
        "ambiguous_ns": e.ambiguous_ns,
        "is_unusual": is_unusual(verdict, failure),
        "failure": failure.value or None,
        "verdict_line": verdict_line(verdict, failure),
        "verdict": [_entry(entry) for entry in verdict],
        "findings": [finding_document(finding) for finding in findings],
        "problems": [problem_document(problem) for problem in e.problems],
        "shifts": [
            {
                "host": shift.host,
                "offset_ns": shift.offset_ns,
                "low_ns": shift.low_ns,
                "high_ns": shift.high_ns,
                "calls": shift.calls,
            }
            for shift in e.clocks.shifts
        ],
    }


def _entry(entry: VerdictEntry) -> dict[str, Any]:
    return {
        "service": entry.service,
        "operation": entry.operation,
        "critical_ns": entry.critical_ns,
        "share": entry.share,
        "reason": entry.reason,
        "advice": entry.advice,
        "confidence": str(entry.confidence),
        "span_ids": [span_id_hex(span_id) for span_id in entry.span_ids],
        "summary": entry.summary,
        "detector": entry.detector,
        "severity": str(entry.severity) if entry.severity else None,
    }


def segment_document(e: Explanation, segment: PathSegment) -> dict[str, Any]:
    """A segment of a path, as `segments` of the document lists it."""
    spans = e.spans
    return {
        "span_id": span_id_hex(spans.span_ids[segment.span]),
        "service": spans.services[segment.span],
        "operation": spans.names[segment.span],
        "label": str(segment.label),
        "peer": segment.peer,
        "covering": [span_id_hex(spans.span_ids[i]) for i in segment.covering],
        "start_unix_nano": segment.start_unix_nano,
        "end_unix_nano": segment.end_unix_nano,
    }


def _tree(e: Explanation, tree: OtherTree) -> dict[str, Any]:
    spans, root = e.spans, tree.root
    return {
        "root": {
            "span_id": span_id_hex(spans.span_ids[root]),
            "service": spans.services[root],
            "operation": spans.names[root],
        },
        "reason": tree.reason,
        "start_unix_nano": spans.starts[root],
        "duration_ns": spans.ends[root] - spans.starts[root],
        "span_count": tree.span_count,
        "span_share": round(tree.span_count / len(spans), 6),
        "segments": [segment_document(e, segment) for segment in tree.segments],
    }


def log_document(record: LogRecord) -> dict[str, Any]:
    """A log record, as `logs` of the document lists it."""
    body = record.body
    return {
        "time_unix_nano": record.time_unix_nano or record.observed_time_unix_nano,
        "severity": record.severity_text or _severity(record.severity_number),
        "body": body if isinstance(body, str) else "" if body is None else _json(body),
        "span_id": span_id_hex(record.span_id) if record.span_id else None,
        "service": record.service_name,
    }


def _severity(number: int) -> str:
    """OTLP's short name: four numbers to each of six levels."""
    levels = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
    return levels[(number - 1) // 4] if 1 <= number <= 24 else ""


def problem_document(problem: Problem) -> dict[str, Any]:
    """A problem, as `problems` of the document lists it."""
    return {
        "code": problem.code,
        "message": problem.message,
        "severity": str(problem.severity),
        "count": problem.count,
        "span_ids": [span_id_hex(span_id) for span_id in problem.span_ids],
    }


def _spans(e: Explanation, trace: Trace | None) -> list[dict[str, Any]]:
    """Every span, depth first, siblings by start; without recursion, since chains are deep."""
    spans, tree = e.spans, e.tree
    sent = _sent_spans(e, trace)
    on_path = frozenset(e.path.visited)
    others = sorted((r for r in tree.roots if r != e.root), key=lambda i: (spans.starts[i], i))
    stack = [(root, 0) for root in reversed(([e.root] if e.root >= 0 else []) + others)]
    rows: list[dict[str, Any]] = []
    while stack:
        index, depth = stack.pop()
        parent_id = spans.parent_ids[index]
        row: dict[str, Any] = {
            "span_id": span_id_hex(spans.span_ids[index]),
            "parent_span_id": span_id_hex(parent_id) if parent_id else None,
            "depth": depth,
            "service": spans.services[index],
            "operation": spans.names[index],
            "kind": kind_name(spans.kinds[index]),
            "start_unix_nano": spans.starts[index],
            "sent_start_unix_nano": e.sent_start(index),
            "duration_ns": spans.ends[index] - spans.starts[index],
            "status": status_name(spans.status_codes[index]),
            "status_message": spans.status_messages[index],
            "on_path": index in on_path,
            "critical_ns": e.critical_ns.get(index, 0),
            "detached": str(e.detached[index]) if index in e.detached else None,
        }
        span = sent.get(index)
        if span is not None:
            row["attributes"] = {k: plain_value(v) for k, v in span.attributes.items()}
            row["resource"] = {k: plain_value(v) for k, v in span.resource.attributes.items()}
            row["events"] = [
                {
                    "time_unix_nano": event.time_unix_nano + e.offsets_ns.get(index, 0),
                    "name": event.name,
                    "attributes": {k: plain_value(v) for k, v in event.attributes.items()},
                }
                for event in span.events
            ]
        rows.append(row)
        children = sorted(tree.children[index], key=lambda c: (spans.starts[c], c), reverse=True)
        stack.extend((child, depth + 1) for child in children)
    return rows


def _sent_spans(e: Explanation, trace: Trace | None) -> dict[int, Span]:
    """The span as sent behind each index, by the row it came from. An explanation made from
    columns has no such rows; then spans that share an id are told apart by content."""
    s = e.spans
    if trace is None:
        return {}
    if s.sent:
        return {index: s.sent[row] for index, row in enumerate(s.rows)}
    known: dict[tuple[object, ...], Span] = {}
    for span in trace.spans:
        known.setdefault(
            (span.span_id, span.parent_span_id, span.kind, span.start_unix_nano, span.name), span
        )
    starts = [e.sent_start(index) for index in range(len(s))]
    keys = zip(s.span_ids, s.parent_ids, s.kinds, starts, s.names, strict=True)
    found = ((index, known.get(key)) for index, key in enumerate(keys))
    return {index: span for index, span in found if span is not None}


def kind_name(number: int) -> str:
    """OTLP's name of a span kind in lower case, or the number as it came."""
    return SpanKind(number).name.lower() if number in _KINDS else str(number)


def status_name(number: int) -> str:
    """OTLP's name of a status code in lower case, or the number as it came."""
    return StatusCode(number).name.lower() if number in _STATUSES else str(number)


def plain_value(value: AttributeValue) -> Any:
    """A value that JSON can hold: bytes as hex, numbers that JSON lacks as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return json.loads(_json(value))


def _json(value: object) -> str:
    def fallback(odd: object) -> Any:
        if isinstance(odd, bytes):
            return odd.hex()
        return dict(odd) if hasattr(odd, "items") else list(odd)  # type: ignore[call-overload]

    return json.dumps(value, default=fallback, ensure_ascii=False)
