"""The page of one trace: verdict and time ribbon first, then every span."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.parameters import PATH_OPTIONS
from longpole.dashboards.ribbon import ribbon
from longpole.dashboards.time_axis import OUTSIDE, TimeAxis

# More rows than this do not help a reader and make the page slow; the path is always whole
# up to the same number.
MAX_ROWS = 2_000
DEEPEST_INDENT = 24
BAR_WIDTH = 1000
_SPAN_ID = re.compile(r"[0-9a-fA-F]{16}")


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/traces/{trace_id}")
    def trace(trace_id: str, request: Request) -> Response:
        options = {k: v for k, v in asked(request).items() if k in PATH_OPTIONS}
        report = answers.trace(trace_id, {**options, "spans": ["tree"]})
        return trace_page(request, report)

    return router


def trace_page(request: Request, report: Mapping[str, Any]) -> Response:
    """One trace, from a report with its spans."""
    rows = chosen_rows(report["spans"])
    trace_path = f"/api/v1/traces/{quote(report['trace_id'])}"
    return page(
        request,
        "trace.html",
        place="traces",
        report=report,
        ribbon=ribbon(report["segments"]),
        rows=_with_bars(rows, _axis(report)),
        outside=OUTSIDE,
        hidden=len(report["spans"]) - len(rows),
        trace_path=trace_path,
        columns_address=f"{trace_path}/columns{_search(asked(request))}",
    )


def _search(parameters: Mapping[str, Sequence[str]]) -> str:
    """What the columns depend on, of the parameters of the page."""
    passed = {key: parameters[key] for key in PATH_OPTIONS if key in parameters}
    span = parameters.get("span", [""])[-1]
    if _SPAN_ID.fullmatch(span):
        passed["span"] = [span]
    return f"?{urlencode(passed, doseq=True)}" if passed else ""


def chosen_rows(spans: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All spans in tree order; of very many the path first, then the first others."""
    if len(spans) <= MAX_ROWS:
        return list(spans)
    chosen = {i for i, span in enumerate(spans) if span["on_path"]}
    if len(chosen) > MAX_ROWS:
        longest = sorted(chosen, key=lambda i: -int(spans[i]["critical_ns"]))
        chosen = set(longest[:MAX_ROWS])
    for index in range(len(spans)):
        if len(chosen) >= MAX_ROWS:
            break
        chosen.add(index)
    return [spans[index] for index in sorted(chosen)]


def _axis(report: Mapping[str, Any]) -> TimeAxis:
    begin = report["start_unix_nano"]
    return TimeAxis.of(report["spans"], (begin, begin + report["duration_ns"]))


def _with_bars(rows: Sequence[Mapping[str, Any]], axis: TimeAxis) -> list[dict[str, Any]]:
    """Rows with `x` and `width` of their bars, the marks of what lies `outside`, and an
    indentation class. A bar has at least 2 units, also at the right end."""
    bars = []
    for row in rows:
        start, length, outside = axis.place(row)
        width = max(2.0, length * BAR_WIDTH / axis.total_ns)
        bars.append(
            {
                **row,
                "x": min(start * BAR_WIDTH / axis.total_ns, BAR_WIDTH - width),
                "width": width,
                "outside": outside,
                "indent": min(int(row["depth"]), DEEPEST_INDENT),
            }
        )
    return bars
