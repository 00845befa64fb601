"""The alerts page: what the rules of this server found, and findings that would alert."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from longpole.analyzer.findings.detect import severity_rank
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.pages.findings_page import found_in, on_page
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    @router.get("/alerts")
    def alerts(request: Request) -> Response:
        given = {name: values for name, values in asked(request).items() if name != "severity"}
        found = found_in(answers, recent, {"since": ["15m"], **given} if _is_bare(given) else given)
        if found["report"] is not None:
            found["entries"].sort(key=lambda one: severity_rank(one["finding"]["severity"]))
        found = on_page(found, given)
        return page(
            request, "alerts.html", place="alerts", rules=answers.alerts(),
            groups=answers.board.groups(), **found,
        )  # fmt: skip

    # Where messages on alerts lead: Prometheus has its expressions there.
    @router.get("/graph", include_in_schema=False)
    def graph() -> Response:
        return RedirectResponse("/alerts", status_code=303)

    return router


def _is_bare(given: dict[str, list[str]]) -> bool:
    return not any(name in given for name in ("since", "from", "to"))
