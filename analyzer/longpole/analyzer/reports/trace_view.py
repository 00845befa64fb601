"""The view of a trace: all that its page needs, without an object for each span.

    whole trace as columns ─▶ explanation ─▶ findings, verdict ─▶ summary and columns

The explanation itself, ten times as large, is given back when this is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.garbage_pause import garbage_pause
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.analyzer.reports.clocks_nearby import clocks_nearby
from longpole.analyzer.reports.trace_columns.columns import TraceColumns, trace_columns
from longpole.analyzer.reports.trace_columns.marks import marks_of
from longpole.analyzer.reports.trace_report import trace_summary
from longpole.analyzer.verdict import verdict_of
from longpole.model.log import LogRecord
from longpole.storage.ports import TraceReader, TraceVersion


@dataclass(frozen=True, slots=True)
class TraceView:
    """One state of a trace. `summary` is its report without the lists that grow with it."""

    state: TraceVersion
    columns: TraceColumns
    summary: dict[str, Any]
    logs: Sequence[LogRecord]


def trace_view(
    reader: TraceReader,
    trace_id: int,
    state: TraceVersion,
    options: PathOptions,
    thresholds: Thresholds,
) -> TraceView | None:
    """The view of a trace that is in that state, or in a later one; None when it has expired."""
    whole = reader.whole_traces([trace_id], ANALYSIS_ATTRIBUTES)
    if not whole.traces:
        return None
    with garbage_pause(whole.spans.num_rows):
        [(known, sent)] = spans_of_whole_traces(whole)
        sent = replace(sent, revision=state.revision, is_settled=state.is_settled)
        e = explain(sent, options, clocks_nearby(reader, known))
        findings = detect(e, thresholds)
        verdict = verdict_of(e, findings)
        logs = reader.logs_of_trace(trace_id)
        marks = marks_of(e, whole, reader.events_of_trace(trace_id), logs)
        return TraceView(
            state, trace_columns(e, verdict, findings, marks),
            trace_summary(e, findings, verdict), logs,
        )  # fmt: skip
