"""The alerts page: what the rules of this server found, and findings that would alert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from longpole.analyzer.alerting.board import GroupState
from longpole.analyzer.findings.detect import severity_rank
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.pages.alert_evidence_page import LOADED_AT_ONCE, evidence_address
from longpole.dashboards.pages.findings_page import found_in, on_page
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers

# As Prometheus' links have it.
EXPRESSION = "g0.expr"


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    @router.get("/alerts")
    def alerts(request: Request) -> Response:
        given = {
            name: values
            for name, values in asked(request).items()
            if name not in ("severity", EXPRESSION)
        }
        found = found_in(answers, recent, {"since": ["15m"], **given} if _is_bare(given) else given)
        if found["report"] is not None:
            found["entries"].sort(key=lambda one: severity_rank(one["finding"]["severity"]))
        found = on_page(found, given)
        groups = answers.board.groups()
        return page(
            request, "alerts.html", place="alerts", rules=answers.alerts(),
            groups=groups, meant=_meant(request, groups), evidence_address=evidence_address,
            loaded_at_once=LOADED_AT_ONCE, **found,
        )  # fmt: skip

    # Where messages on alerts lead: Prometheus has its expressions there.
    @router.get("/graph", include_in_schema=False)
    def graph(request: Request) -> Response:
        expression = request.query_params.get(EXPRESSION, "")
        wanted = f"?{urlencode({EXPRESSION: expression})}" if expression else ""
        return RedirectResponse(f"/alerts{wanted}", status_code=303)

    return router


def _meant(request: Request, groups: Sequence[GroupState]) -> dict[str, Any] | None:
    """The expression that a link asks about, the rules that have it, and where its value is."""
    expression = request.query_params.get(EXPRESSION, "")
    if not expression:
        return None
    rules = [rule.name for group in groups for rule in group.rules if rule.query == expression]
    value = f"/prometheus/api/v1/query?{urlencode({'query': expression})}"
    return {"expression": expression, "rules": rules, "value_url": value}


def _is_bare(given: dict[str, list[str]]) -> bool:
    return not any(name in given for name in ("since", "from", "to"))
