"""Parts of the page of a trace that have pages of their own: its map and its logs.

With `fragment=1` they come without the frame, for the views of the trace page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from longpole.dashboards import parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.errors import UnknownTrace
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.parameters import PATH_OPTIONS
from longpole.dashboards.trace_map import trace_map
from longpole.dashboards.trace_questions import viewed
from longpole.model.ids import parse_span_id, parse_trace_id, span_id_hex, trace_id_hex

MOST_RECORDS = 5_000
# OTLP's numbers at which its levels begin.
LEVELS = ((1, "TRACE"), (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR"), (21, "FATAL"))


def routes(answers: Answers) -> APIRouter:
    """Routes of these parts."""
    router = APIRouter()

    @router.get("/traces/{trace_id}/map")
    def map_of_trace(trace_id: str, request: Request) -> Response:
        identity = _known(answers, trace_id)
        options = {k: v for k, v in asked(request).items() if k in PATH_OPTIONS}
        report = answers.service_map({**options, "trace": [identity]})
        drawing = trace_map(report, identity)
        return _part(request, "map", identity, report=report, drawing=drawing)

    @router.get("/traces/{trace_id}/logs")
    def logs_of_trace(trace_id: str, request: Request) -> Response:
        identity = _known(answers, trace_id)
        report = answers.logs({"trace": [identity], "limit": [str(MOST_RECORDS)]})
        records = [{**one, "begins": _level(one["severity_number"])} for one in report["logs"]]
        return _part(
            request, "logs", identity, records=records, levels=LEVELS, report=report,
            most=MOST_RECORDS, span_names=_span_names(answers, identity, records),
        )  # fmt: skip

    return router


def _known(answers: Answers, trace_id: str) -> str:
    """The id in its usual form; UnknownTrace when neither a span nor a log record has it."""
    identity = parse_trace_id(trace_id)
    if answers.store.trace_version(identity) is None and not answers.store.logs_of_trace(identity):
        raise UnknownTrace(trace_id_hex(identity), answers.why_unknown())
    return trace_id_hex(identity)


def _span_names(
    answers: Answers, trace_id: str, records: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """The operations of the spans that these records name, by span id; those that are not there
    are left out."""
    wanted = {parse_span_id(one["span_id"]) for one in records if one["span_id"]}
    if not wanted or answers.store.trace_version(parse_trace_id(trace_id)) is None:
        return {}
    columns = viewed(answers, trace_id, {})[0].columns
    rows = np.flatnonzero(np.isin(columns.span_ids, np.array(sorted(wanted), np.uint64)))
    # Of spans that share an id the first one stands for all.
    return {
        span_id_hex(int(columns.span_ids[row])): columns.place_of(row)[1]
        for row in reversed(rows.tolist())
    }


def _part(request: Request, name: str, trace_id: str, **values: Any) -> Response:
    given: Mapping[str, Sequence[str]] = asked(request)
    is_fragment = parameters.flag({k: v for k, v in given.items() if k == "fragment"}, "fragment")
    template = f"parts/trace_{name}.html" if is_fragment else "trace_part.html"
    return page(request, template, place="traces", part=name, trace_id=trace_id, **values)


def _level(number: int) -> int:
    """Where the level of a severity begins; 0 for none."""
    return max((begin for begin, _ in LEVELS if begin <= number <= 24), default=0)
