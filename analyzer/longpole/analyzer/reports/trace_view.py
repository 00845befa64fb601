"""The view of a trace: all that its page needs, without an object for each span.

    whole trace as columns ─▶ explanation ─▶ findings, verdict ─▶ summary and columns

The explanation itself, ten times as large, is given back when this is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.garbage_pause import garbage_pause
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.analyzer.reports.clocks_nearby import clocks_nearby
from longpole.analyzer.reports.trace_columns.columns import TraceColumns, trace_columns
from longpole.analyzer.reports.trace_columns.log_marks import with_logs
from longpole.analyzer.reports.trace_columns.marks import marks_of
from longpole.analyzer.reports.trace_report import trace_summary
from longpole.analyzer.verdict import verdict_of
from longpole.model.finding import Finding
from longpole.model.log import LogRecord
from longpole.storage.ports import TraceReader, TraceVersion, WholeTraces


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
        view = view_of(e, detect(e, thresholds), whole, reader.events_of_trace(trace_id), state)
        logs = reader.logs_of_trace(trace_id)
        return replace(view, columns=with_logs(view.columns, logs), logs=logs)


def view_of(
    explanation: Explanation,
    findings: Sequence[Finding],
    whole: WholeTraces,
    events: pa.Table,
    state: TraceVersion,
) -> TraceView:
    """The view, still without logs, of a trace that was explained from `whole`, which has no
    other one."""
    verdict = verdict_of(explanation, findings)
    marks = marks_of(explanation, whole, events)
    columns = trace_columns(explanation, verdict, findings, marks)
    return TraceView(state, columns, trace_summary(explanation, findings, verdict), ())
