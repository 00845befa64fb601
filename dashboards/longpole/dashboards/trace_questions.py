"""Questions about one trace and its spans: what its page, and the scripts on it, ask."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.reports.span_report import span_report
from longpole.analyzer.reports.trace_find import Found, find_rows
from longpole.analyzer.reports.usual_roots import RootRun, usual_roots, with_usual
from longpole.dashboards import parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.errors import BadQuestion, UnknownSpan, UnknownTrace
from longpole.dashboards.parameters import PATH_OPTIONS, Parameters
from longpole.dashboards.trace_views import KeptView, version_of
from longpole.model.ids import parse_span_id, parse_trace_id, span_id_hex, trace_id_hex

MOST_ROWS_TOLD = 20


def viewed(answers: Answers, trace_id: str, asked: Parameters) -> tuple[KeptView, int]:
    """The view of a trace and the row of the `span` asked for, -1 for none and for an unknown one;
    of several spans with that id the one at `row`, else the first. `r` is the version that the
    asker expects."""
    parameters.only(asked, PATH_OPTIONS, frozenset({"span", "row", "r"}))
    identity = parse_trace_id(trace_id)
    options = parameters.path_options(asked)
    view = answers.views.view(answers.store, identity, options, answers.thresholds)
    if view is None:
        raise UnknownTrace(trace_id_hex(identity), answers.why_unknown())
    span = parameters.first(asked, "span")
    return view, _row(view, span, asked) if span else -1


def _row(view: KeptView, span_id: str, asked: Parameters) -> int:
    rows = view.columns.rows_of(parse_span_id(span_id))
    wanted = parameters.first(asked, "row") or ""
    chosen = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else -1
    return chosen if chosen in rows else next(iter(rows), -1)


def viewed_span(
    answers: Answers, trace_id: str, span_id: str, asked: Parameters
) -> tuple[KeptView, int]:
    """The view of a trace and the row of one of its spans."""
    view, row = viewed(answers, trace_id, {**asked, "span": [span_id]})
    if row < 0:
        raise UnknownSpan(span_id_hex(parse_span_id(span_id)), trace_id)
    wanted = parameters.first(asked, "row")
    if wanted is not None:
        number = parameters.whole(wanted, "row", 0, view.columns.span_ids.size - 1)
        rows = view.columns.rows_of(parse_span_id(span_id))
        # A row that has moved on, as late spans came, is no mistake where the id says enough.
        if len(rows) > 1 and number not in rows:
            shown = ", ".join(map(str, rows[:MOST_ROWS_TOLD]))
            raise BadQuestion(f"row: the {len(rows)} spans of this id have the rows {shown}")
    return view, row


def span_document(
    answers: Answers, trace_id: str, span_id: str, asked: Parameters
) -> dict[str, Any]:
    """All that is known of one span."""
    view, row = viewed_span(answers, trace_id, span_id, asked)
    found = span_report(answers.store, view.view, row)
    if found is None:
        raise UnknownSpan(span_id_hex(parse_span_id(span_id)), trace_id)
    return found.document


def verdict_document(answers: Answers, trace_id: str, asked: Parameters) -> dict[str, Any]:
    """The report of a trace without path, spans and logs: what its page, a link preview or a chat
    needs. A big trace that is settled is not explained again for it."""
    parameters.only(asked, PATH_OPTIONS)
    view, _ = viewed(answers, trace_id, asked)
    report = dict(view.view.summary)
    run = RootRun.of(report)
    with_usual(report, usual_roots(answers.store, run) if run else None)
    return report


def find_in_trace(answers: Answers, trace_id: str, asked: Parameters) -> Found:
    """By row of a trace whether a span fits the question `q`."""
    question = parameters.first(asked, "q") or ""
    view, _ = viewed(answers, trace_id, {k: v for k, v in asked.items() if k != "q"})
    return find_rows(answers.store, view.columns, question)


def trace_state(answers: Answers, trace_id: str) -> dict[str, Any]:
    """Whether a trace is there and settled; `version` changes with it."""
    identity = parse_trace_id(trace_id)
    state = answers.store.trace_version(identity)
    if state is None:
        raise UnknownTrace(trace_id_hex(identity), answers.why_unknown())
    return {"version": version_of(state), "settled": state.is_settled}
