"""The pages: plain HTML from the same documents that the API gives. No script is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from longpole.dashboards import errors, figures
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.inert_text import NAMELESS, inert
from longpole.dashboards.parameters import PATH_OPTIONS
from longpole.dashboards.ribbon import colour_of, ribbon
from longpole.dashboards.time_axis import OUTSIDE, TimeAxis

# More rows than this do not help a reader and make the page slow; the path is always whole
# up to the same number.
MAX_ROWS = 2_000
DEEPEST_INDENT = 24
BAR_WIDTH = 1000
# In characters. A name beyond that says nothing more to a reader; the JSON has all of it.
LONGEST_NAME, LONGEST_SENTENCE, LONGEST_TITLE = 160, 1_000, 10_000

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page_router(answers: Answers) -> APIRouter:
    """Routes of the pages."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def start() -> Response:
        return RedirectResponse("/traces", status_code=302)

    @router.get("/traces")
    def traces(request: Request) -> Response:
        return HTMLResponse(_trace_list(answers, asked(request)))

    @router.get("/traces/{trace_id}")
    def trace(trace_id: str, request: Request) -> Response:
        options = {k: v for k, v in asked(request).items() if k in PATH_OPTIONS}
        report = answers.trace(trace_id, {**options, "spans": ["tree"]})
        return HTMLResponse(trace_page(report))

    return router


def _trace_list(answers: Answers, given: Mapping[str, Sequence[str]]) -> str:
    """The list, or the form with what was wrong about the question."""
    values = {name: list(texts) for name, texts in given.items() if any(texts)}
    page: dict[str, Any] = {"q": "".join(given.get("q", [])[:1]), "refusal": "", "report": None}
    identity = page["q"].strip()
    if len(identity) in (16, 32) and identity.isalnum():
        # A pasted id is a question for that trace.
        values = {**{k: v for k, v in values.items() if k != "q"}, "trace": [identity]}
    try:
        page["report"] = answers.traces({"limit": ["50"], **values})
    except errors.ANSWERED as error:
        if errors.refusal_of(error).status >= 500:
            raise
        page["refusal"] = str(error)
    return _templates.get_template("traces.html").render(page)


def trace_page(report: Mapping[str, Any]) -> str:
    """One trace, from a report with its spans."""
    rows = chosen_rows(report["spans"])
    return _templates.get_template("trace.html").render(
        report=report,
        ribbon=ribbon(report["segments"]),
        rows=_with_bars(rows, _axis(report)),
        outside=OUTSIDE,
        hidden=len(report["spans"]) - len(rows),
        trace_path=f"/api/v1/traces/{quote(report['trace_id'])}",
    )


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


def shown_name(text: str | None) -> Markup:
    """The name of a service or an operation as an element: cut when it is so long that it
    hides the rest, the whole of it as its tooltip then."""
    return _element(text, LONGEST_NAME) if text else Markup("<i>{}</i>").format(NAMELESS)


def shown_sentence(text: str) -> Markup:
    """The same for a sentence that quotes telemetry."""
    return _element(text, LONGEST_SENTENCE)


def plain_name(text: str | None) -> str:
    """The same where no element may stand: in titles."""
    name = inert((text or "")[: LONGEST_NAME + 1])
    return (name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…") or NAMELESS


def _element(text: str, longest: int) -> Markup:
    # Isolation alone would let a mark in a quoted name turn the rest of its sentence around.
    shown = inert(text[:LONGEST_TITLE])
    if len(text) <= longest:
        return Markup("<bdi>{}</bdi>").format(shown)
    return Markup('<bdi title="{}">{}…</bdi>').format(shown, shown[:longest])


def error_page(status: int, message: str, reasons: tuple[str, ...]) -> str:
    """Why there is no page here."""
    template = "trace_not_found.html" if reasons else "refused.html"
    return _templates.get_template(template).render(status=status, message=message, reasons=reasons)


_templates.filters.update(
    duration=figures.duration, share=figures.share, moment=figures.moment, colour=colour_of,
    name=shown_name, plain=plain_name, sentence=shown_sentence,
)  # fmt: skip
_templates.globals.update(plural=figures.plural)
