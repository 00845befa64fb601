"""The causal path of a trace as a document."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.causal_path import CausalPath, Hop
from longpole.analyzer.explain import Explanation
from longpole.analyzer.reports.trace_report import problem_document, segment_document
from longpole.model.ids import span_id_hex, trace_id_hex


def causal_report(path: CausalPath) -> dict[str, Any]:
    """Stretches in the order of time. The durations of all `segments` and of all `queue` add up
    to `duration_ns`, those of `queue` to `queue_ns`."""
    waits = [hop.wait for hop in path.hops if hop.wait is not None]
    last = path.hops[-1].explanation if path.hops else None
    return {
        "start_unix_nano": path.start_unix_nano,
        "duration_ns": path.duration_ns,
        "queue_ns": sum(wait.end_unix_nano - wait.start_unix_nano for wait in waits),
        "end": None if last is None else _span(last, path.end),
        "stretches": [_stretch(hop) for hop in path.hops],
        "problems": [problem_document(problem) for problem in path.problems],
    }


def _stretch(hop: Hop) -> dict[str, Any]:
    e, wait = hop.explanation, hop.wait
    return {
        "top": _span(e, hop.top),
        "queue": None
        if wait is None
        else {
            "destination": wait.peer,
            "start_unix_nano": wait.start_unix_nano,
            "duration_ns": wait.end_unix_nano - wait.start_unix_nano,
        },
        "duration_ns": sum(s.end_unix_nano - s.start_unix_nano for s in hop.segments),
        "segments": [segment_document(e, segment) for segment in hop.segments],
    }


def _span(e: Explanation, index: int) -> dict[str, str]:
    return {
        "trace_id": trace_id_hex(e.trace_id),
        "span_id": span_id_hex(e.spans.span_ids[index]),
        "service": e.spans.services[index],
        "operation": e.spans.names[index],
    }
