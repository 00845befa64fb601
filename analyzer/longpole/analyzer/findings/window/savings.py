"""Savings: what of a window's faults lies on critical paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.survey import forget, survey_of
from longpole.analyzer.findings.window.span_columns import SpanColumns
from longpole.analyzer.findings.window.window import WindowFinding

MOST_EXPLAINED = 300  # traces of one finding, those that lost most


def savings(
    spans: SpanColumns,
    findings: Sequence[WindowFinding],
    explanations: Callable[[Sequence[int]], Iterable[Explanation]],
) -> list[dict[int, int]]:
    """For each finding: trace id and how much shorter that trace's critical path would be, 0
    for those that are not explained. A span saves what it is too long by, at most what it and
    the spans below it hold of the path."""
    wanted: list[dict[int, dict[int, int]]] = []
    for finding in findings:
        by_trace: dict[int, dict[int, int]] = {}
        for row, excess in zip(finding.losers or finding.rows, finding.excess_ns, strict=False):
            if excess > 0 and (len(by_trace) < MOST_EXPLAINED or int(spans.trace[row]) in by_trace):
                by_trace.setdefault(int(spans.trace[row]), {})[int(spans.span_ids[row])] = excess
        wanted.append(by_trace)
    numbers = sorted({number for by_trace in wanted for number in by_trace})
    saved: list[dict[int, int]] = [
        {
            spans.trace_ids[number]: 0
            for number in np.unique(spans.trace[list(finding.rows)]).tolist()
        }
        if finding.rows
        else {}
        for finding in findings
    ]
    number_of = {spans.trace_ids[number]: number for number in numbers}
    try:
        for explanation in explanations(list(number_of)):
            survey = survey_of(explanation)
            places = {span_id: i for i, span_id in enumerate(explanation.spans.span_ids)}
            number = number_of[explanation.trace_id]
            for by_trace, saving in zip(wanted, saved, strict=True):
                saving_ns = sum(
                    min(excess, survey.path_ns(places[span_id]))
                    for span_id, excess in by_trace.get(number, {}).items()
                    if span_id in places
                )
                if number in by_trace:
                    saving[explanation.trace_id] = min(saving_ns, explanation.duration_ns)
    finally:
        forget()
    return saved
