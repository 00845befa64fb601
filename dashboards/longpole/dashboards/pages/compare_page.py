"""The compare page: two traces, a trace and what is typical for it, or two queries or times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from longpole.dashboards import errors, two_traces
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.changed_rows import changed_rows
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.ribbon import Piece, ribbon

# Rows of the merged tree that a reader gets; the JSON has all of them.
MAX_ROWS = 1_000
DEEPEST_INDENT = 24
# Half of the width of a bar of differences, which grow to both sides of a middle line.
HALF_BAR = 50
# Of queries, so many traces a side answer while a reader waits; the API and `longpole compare`
# take more.
SAMPLE = "500"
# Terms below this part of the largest one are summed up in one row.
SMALL_TERM = 100  # one in so many
MAX_TERMS = 12
_FORM = ("a", "b", "q", "base_q", "head_q", "at", "window", "since", "statistic")


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/compare")
    def compare(request: Request) -> Response:
        given = {name: values for name, values in asked(request).items() if any(values)}
        is_whole = bool(given.pop("all", None))
        return _compared(request, answers, given, is_whole)

    return router


def _compared(
    request: Request, answers: Answers, given: Mapping[str, Sequence[str]], is_whole: bool
) -> Response:
    """The comparison, or the form with what was wrong about the question."""
    form = {name: given.get(name, [""])[0] for name in _FORM}
    is_of_traces = bool(two_traces.SIDES & given.keys())
    values: dict[str, Any] = {
        "form": form, "of_traces": is_of_traces, "refusal": "", "reasons": (), "report": None,
        "bar": bar,
    }  # fmt: skip
    status = 200
    try:
        if is_of_traces:
            report = answers.compare_traces(given)
            values |= _traces(report, is_whole)
        elif given:
            report = answers.compare({"sample": [SAMPLE], **given})
            values |= {"report": report, **_terms(report)}
    except errors.ANSWERED as error:
        status = errors.refusal_of(error).status
        if status >= 500:
            raise
        values |= {"refusal": str(error), "reasons": getattr(error, "reasons", ())}
    return page(request, "compare.html", status, place="compare", **values)


def _traces(report: Mapping[str, Any], is_whole: bool) -> dict[str, Any]:
    rows = list(report["nodes"]) if is_whole else changed_rows(report)
    shown = rows[:MAX_ROWS]
    scale_ns = max(report[side]["duration_ns"] for side in ("base", "head"))
    return {
        "report": report,
        "rows": [{**row, "indent": min(row["depth"], DEEPEST_INDENT)} for row in shown],
        **_terms(report),
        "node_scale_ns": largest_ns([row["difference_ns"] for row in report["nodes"]]),
        "unmoved": len(report["nodes"]) - len(rows),
        "cut": len(rows) - len(shown),
        "ribbons": [(report[side], on_scale(report[side], scale_ns)) for side in ("base", "head")],
        "scale_ns": scale_ns,
    }


def _terms(report: Mapping[str, Any]) -> dict[str, Any]:
    """The `terms` worth a row, what the `other_terms` are, and the scale of their bars."""
    terms = report["terms"]
    largest = largest_ns([term["difference_ns"] for term in terms])
    shown = [t for t in terms if abs(t["difference_ns"]) * SMALL_TERM >= largest][:MAX_TERMS]
    return {"terms": shown, "other_terms": terms[len(shown) :], "term_scale_ns": largest}


def on_scale(side: Mapping[str, Any], scale_ns: int) -> list[Piece]:
    """The ribbon of a side drawn as wide as its part of `scale_ns`."""
    part = side["duration_ns"] / scale_ns if scale_ns else 0.0
    return [
        replace(piece, x=piece.x * part, width=piece.width * part)
        for piece in ribbon(side["segments"])
    ]


def largest_ns(differences: Sequence[int]) -> int:
    """What fills half of a bar: the largest amount."""
    return max((abs(one) for one in differences), default=0) or 1


def bar(difference_ns: int, largest_ns: int) -> dict[str, float]:
    """`x` and `width` of the bar of a difference, out of twice `HALF_BAR`: slower to the right."""
    width = abs(difference_ns) / largest_ns * HALF_BAR
    return {"x": HALF_BAR if difference_ns >= 0 else HALF_BAR - width, "width": width}
