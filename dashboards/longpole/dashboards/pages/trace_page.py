"""The page of one trace: verdict and time ribbon first, then the viewer or a table of spans."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from longpole.analyzer.reports.trace_report import log_document
from longpole.analyzer.reports.usual_roots import RootRun, usual_roots
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked, streamed
from longpole.dashboards.errors import UnknownTrace
from longpole.dashboards.pages import span_panel
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.pages.result_position import result_position
from longpole.dashboards.pages.trace_links import TraceLinks
from longpole.dashboards.pages.trace_ribbon import trace_ribbon
from longpole.dashboards.pages.trace_table import table_rows
from longpole.dashboards.pages.trace_verdict import other_findings, verdict_lines
from longpole.dashboards.parameters import PATH_OPTIONS
from longpole.dashboards.run_words import verdict_heading
from longpole.dashboards.time_axis import OUTSIDE
from longpole.dashboards.trace_questions import viewed
from longpole.dashboards.trace_views import KeptView
from longpole.model.ids import parse_trace_id, trace_id_hex

MOST_LOGS = 200
MOST_TWINS = 20  # spans of one id that a page leads to
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-fA-F]{16}")
# An exporter sends every few seconds, so a trace that is not there yet is worth a few more looks.
RETRY_SECONDS, MOST_RETRIES = 5, 6


def routes(answers: Answers) -> APIRouter:
    """Routes of this page and of its panels."""
    router = APIRouter()

    @router.get("/traces/{trace_id}.json")
    def exported(trace_id: str, request: Request) -> Response:
        return streamed(answers.export_trace(trace_id, asked(request)))

    @router.get("/traces/{trace_id}")
    def trace(trace_id: str, request: Request) -> Response:
        given = asked(request)
        # What else is in the address is for the scripts, and an odd span selects nothing.
        options = {k: v for k, v in given.items() if k in PATH_OPTIONS}
        span = given.get("span", [""])[-1]
        if _SPAN_ID.fullmatch(span):
            options["span"] = [span]
            options["row"] = given.get("row", [])[-1:]
        try:
            kept, selected = viewed(answers, trace_id, options)
        except UnknownTrace as error:
            return _not_yet(request, parse_trace_id(trace_id), error, given)
        selected, unknown_row = _asked_row(kept, selected, given)
        if selected >= 0 and not span:
            given = {**given, "span": [f"{int(kept.columns.span_ids[selected]):016x}"]}
        return _page(answers, request, kept, selected, given, unknown_row)

    router.include_router(span_panel.routes(answers))
    return router


def _page(
    answers: Answers,
    request: Request,
    kept: KeptView,
    selected: int,
    given: Mapping[str, Sequence[str]],
    unknown_row: str,
) -> Response:
    summary, columns = kept.view.summary, kept.columns
    trace_id = summary["trace_id"]
    links = TraceLinks.of(given)
    row = selected if selected >= 0 else _first_row(kept)
    rows = table_rows(columns)
    others, other_count = other_findings(kept.view, answers.thresholds)
    options = {k: v for k, v in given.items() if k in PATH_OPTIONS}
    usual = kept.lately("usual", answers.clock, lambda: _usual(answers, kept))
    return page(
        request,
        "trace.html",
        place="traces",
        report=summary,
        kept=kept,
        links=links,
        lines=verdict_lines(kept.view, answers.thresholds),
        others=others,
        other_count=other_count,
        usual=usual,
        heading=verdict_heading(summary, usual),
        ribbon=trace_ribbon(columns),
        position=result_position(answers, given, trace_id),
        rows=rows,
        outside=OUTSIDE,
        hidden=columns.span_ids.size - len(rows),
        logs=_logs(kept),
        log_count=len(kept.view.logs),
        depth=int(columns.order.depths.max()) + 1 if columns.span_ids.size else 0,
        context=_context(answers, trace_id, given),
        api=f"/api/v1/traces/{quote(trace_id)}",
        columns_address=_address(trace_id, kept, options, given),
        unknown_span=given["span"][-1] if given.get("span") and selected < 0 else "",
        unknown_row=unknown_row,
        twins=_twins(kept, selected),
        selected=selected,
        panel=span_panel.panel_values(answers, kept, row) if row >= 0 else None,
    )


def _asked_row(
    kept: KeptView, selected: int, given: Mapping[str, Sequence[str]]
) -> tuple[int, str]:
    """The row to select, that of `row` where no span is asked for, and the text of `row` when it
    is none of the trace's, or none of several that have the id of the span."""
    text = "".join(given.get("row", [])[-1:])
    size = kept.columns.span_ids.size
    row = int(text) if text.isdecimal() and len(text) < 10 and int(text) < size else -1
    if not text or (row >= 0 and row == selected):
        return selected, ""
    if not any(given.get("span", ())):
        return row, text if row < 0 else ""
    return selected, text if row < 0 or len(_twins(kept, selected)) > 1 else ""


def _first_row(kept: KeptView) -> int:
    """The row that the viewer selects by itself."""
    columns = kept.columns
    return columns.bottlenecks[0].row if columns.bottlenecks else columns.root


def _twins(kept: KeptView, selected: int) -> list[int]:
    """The rows of the selected span's id when there are several."""
    if selected < 0:
        return []
    rows = kept.columns.rows_of(int(kept.columns.span_ids[selected]))
    return rows[:MOST_TWINS] if len(rows) > 1 else []


def _address(
    trace_id: str,
    kept: KeptView,
    options: Mapping[str, Sequence[str]],
    given: Mapping[str, Sequence[str]],
) -> str:
    """Where the columns of this very state are, with the span to select."""
    chosen = [(name, value) for name, values in options.items() for value in values]
    span = [("span", value) for value in given.get("span", ())[-1:] if _SPAN_ID.fullmatch(value)]
    span += [("row", value) for value in given.get("row", ())[-1:] if span]
    query = urlencode([("r", kept.version), *chosen, *span])
    return f"/api/v1/traces/{quote(trace_id)}/columns?{query}"


def _usual(answers: Answers, kept: KeptView) -> dict[str, Any] | None:
    """How the trace compares with others of its root operation."""
    run = RootRun.of(kept.view.summary)
    return usual_roots(answers.store, run) if run else None


def _context(
    answers: Answers, trace_id: str, given: Mapping[str, Sequence[str]]
) -> dict[str, Any] | None:
    """What logs, metrics and history say, when it is asked for: it takes a while."""
    if given.get("context") != ["1"]:
        return None
    options = {k: v for k, v in given.items() if k in PATH_OPTIONS}
    context: dict[str, Any] = answers.trace(trace_id, {**options, "context": ["1"]})["context"]
    return context


def _logs(kept: KeptView) -> list[Any]:
    return [log_document(record) for record in kept.view.logs[:MOST_LOGS]]


def _not_yet(
    request: Request, trace_id: int, error: UnknownTrace, given: Mapping[str, Sequence[str]]
) -> Response:
    text = "".join(given.get("retry", ())[:1])
    tries = int(text) if text.isdecimal() and len(text) < 3 else 0
    return page(
        request,
        "trace_not_found.html",
        404,
        place="traces",
        code=404,
        message=str(error),
        reasons=error.reasons,
        state_address=f"/api/v1/traces/{trace_id_hex(trace_id)}/state",
        retry_address=TraceLinks.of(given).to(retry=tries + 1) if tries < MOST_RETRIES else "",
        retry_seconds=RETRY_SECONDS,
    )
