"""The verdict on a trace's page: where, why, what to do, and the evidence as links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from longpole.analyzer.findings.catalogue import BY_IDENTIFIER
from longpole.analyzer.findings.gaps import IDENTIFIER as GAP
from longpole.analyzer.findings.thresholds import Thresholds, in_figures
from longpole.analyzer.reports.trace_columns.columns import TraceColumns
from longpole.analyzer.reports.trace_view import TraceView
from longpole.model.ids import parse_span_id

MOST_EVIDENCE = 8
MOST_OTHERS = 50
HOW_SURE = {
    "high": "The spans say it themselves.",
    "medium": "It is the likeliest reading of the spans; a part of it is out of their sight.",
    "low": "Span times alone cannot tell; take it as a hint of where to look.",
}
NO_DETECTOR = (
    "No detector found a known pattern here. The time is told apart by who owned the critical path "
    "at each instant."
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span that shows it: its row, id and duration, its time on the path, and whether other
    spans of the trace have the same id."""

    row: int
    span_id: str
    duration_ns: int
    critical_ns: int
    is_shared: bool


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """One entry: the document of the report, the spans that show it (`count` altogether), what
    mending it saves of the trace's time (0 when unknown), and how the rule works."""

    entry: Mapping[str, Any]
    evidence: Sequence[Evidence]
    count: int
    saving_ns: int
    rest_ns: int
    title: str
    rule: str
    sureness: str

    @property
    def first(self) -> Evidence | None:
        """The most telling span."""
        return self.evidence[0] if self.evidence else None


def verdict_lines(view: TraceView, thresholds: Thresholds) -> list[VerdictLine]:
    """The entries of the verdict, the answer first."""
    return _lines(view, view.summary["verdict"], thresholds)


def other_findings(view: TraceView, thresholds: Thresholds) -> tuple[list[VerdictLine], int]:
    """What was found beside the entries of the verdict, as at most `MOST_OTHERS` entries, and how
    many there are."""
    told = {_identity(entry) for entry in view.summary["verdict"]}
    others = [f for f in view.summary["findings"] if _identity(f) not in told]
    made = [
        {**finding, "advice": finding["action"], "confidence": "high"}
        for finding in others[:MOST_OTHERS]
    ]
    return _lines(view, made, thresholds), len(others)


def _lines(
    view: TraceView, entries: Sequence[Mapping[str, Any]], thresholds: Thresholds
) -> list[VerdictLine]:
    rows = _rows(view.columns, entries)
    wanted = {_identity(entry) for entry in entries}
    savings = {
        identity: finding["saving_ns"]
        for finding in view.summary["findings"]
        if (identity := _identity(finding)) in wanted
    }
    # Spans that show what a gap is made of save nothing by themselves.
    return [
        _line(
            view,
            entry,
            rows,
            0 if entry["detector"] == GAP else savings.get(_identity(entry), 0),
            thresholds,
        )
        for entry in entries
    ]


def _line(
    view: TraceView,
    entry: Mapping[str, Any],
    rows: Mapping[str, Sequence[int]],
    saving: int,
    thresholds: Thresholds,
) -> VerdictLine:
    columns = view.columns
    evidence = [
        _evidence(columns, span_id, rows[span_id], entry)
        for span_id in entry["span_ids"][:MOST_EVIDENCE]
        if span_id in rows
    ]
    detector = BY_IDENTIFIER.get(entry["detector"] or "")
    return VerdictLine(
        entry=entry,
        evidence=evidence,
        count=len(entry["span_ids"]),
        saving_ns=saving,
        rest_ns=max(0, view.summary["duration_ns"] - saving),
        title=detector.title if detector else "",
        rule=in_figures(detector.rule_in_words, thresholds) if detector else NO_DETECTOR,
        sureness=HOW_SURE.get(entry["confidence"], ""),
    )


def _evidence(
    columns: TraceColumns, span_id: str, rows: Sequence[int], entry: Mapping[str, Any]
) -> Evidence:
    row = columns.meant_row(rows, entry["service"], entry["operation"])
    return Evidence(
        row, span_id, int(columns.durations_ns[row]), int(columns.critical_ns[row]), len(rows) > 1
    )


def _identity(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return entry["detector"], entry["service"], entry["operation"], tuple(entry["span_ids"])


def _rows(columns: TraceColumns, entries: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """The rows of every span id that the entries name."""
    wanted = {
        parse_span_id(span_id): span_id
        for entry in entries
        for span_id in entry["span_ids"][:MOST_EVIDENCE]
        if int(span_id, 16)
    }
    if not wanted:
        return {}
    known = np.array(list(wanted), np.uint64)
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(np.isin(columns.span_ids, known)).tolist():
        rows.setdefault(wanted[int(columns.span_ids[row])], []).append(row)
    return rows
