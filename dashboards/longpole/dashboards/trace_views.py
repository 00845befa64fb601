"""Views of a trace: what its page, its columns, its panels and its find all read, worked out once.

A view belongs to one state of one trace (`TraceView.version`), so whatever has that version in
its address never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.clocks_nearby import clocks_nearby
from longpole.analyzer.reports.trace_columns.columns import TraceColumns, trace_columns
from longpole.analyzer.reports.trace_columns.marks import marks_of
from longpole.analyzer.reports.trace_report import problem_document
from longpole.analyzer.verdict import verdict_of
from longpole.dashboards.lpt1 import encoded_columns
from longpole.storage.ports import TraceReader


@dataclass(frozen=True, slots=True)
class TraceView:
    """One state of a trace. `facts` are what the header of its columns says beside them,
    `numbers` those that give services their colours."""

    version: str
    is_settled: bool
    columns: TraceColumns
    facts: Mapping[str, Any]
    numbers: Mapping[str, int]

    def encoded(self, selected: int = -1) -> bytes:
        """The columns as LPT1."""
        return encoded_columns(self.columns, self.facts, self.numbers, selected)


class TraceViews:
    """Hands out views."""

    def view(
        self, reader: TraceReader, trace_id: int, options: PathOptions, thresholds: Thresholds
    ) -> TraceView | None:
        """The view of a trace as it is now; None for an unknown id."""
        return trace_view(reader, trace_id, options, thresholds)


def trace_view(
    reader: TraceReader, trace_id: int, options: PathOptions, thresholds: Thresholds
) -> TraceView | None:
    """The view of a trace as it is now; None for an unknown id."""
    trace = reader.trace(trace_id)
    if trace is None:
        return None
    logs = reader.logs_of_trace(trace_id)
    e = explain(trace, options, clocks_nearby(reader, trace))
    findings = detect(e, thresholds)
    verdict = verdict_of(e, findings)
    sent = ((index, e.spans.sent[row]) for index, row in enumerate(e.spans.rows))
    done = e.completeness
    return TraceView(
        version=f"{done.revision}-{len(trace.spans)}-{len(logs)}",
        is_settled=done.settled,
        numbers=reader.service_colours(),
        columns=trace_columns(e, verdict, findings, marks_of(e, sent, logs)),
        facts={
            "revision": done.revision,
            "settled": done.settled,
            "problems": [problem_document(problem) for problem in e.problems],
            "completeness": {
                "orphans": done.orphans,
                "headless": done.headless,
                "late": done.late,
                "skew_shifts": done.skew_shifts,
                "detached": done.detached,
                "settled": done.settled,
                "revision": done.revision,
            },
        },
    )
