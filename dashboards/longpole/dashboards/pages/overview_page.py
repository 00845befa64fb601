"""The start page: what is slow, what fails, what was found, and whether data comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.pages.linked import linked_operations, linked_services
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers
from longpole.dashboards.time_window import TIME_PARAMETERS, time_control, window_of

MOST_FINDINGS = 6
MOST_SERVICES = 30  # by time on the critical path; the page of services has the others
# Runs in the window up to which findings are worked out with the page; else they follow after it.
AT_ONCE = 1_000


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    recent = RecentAnswers(answers)

    @router.get("/")
    def overview(request: Request) -> Response:
        given = _times(asked(request))
        window = window_of(given, answers.clock)
        document = answers.overview(given, _most_important)
        is_small = sum(one["count"] for one in document["services"]) <= AT_ONCE
        return page(
            request,
            "overview.html",
            place="overview",
            document=document,
            services=linked_services(document["services"][:MOST_SERVICES], window.parameters),
            operations={
                name: linked_operations(document[name], window.parameters)
                for name in ("bottlenecks", "slowest", "failing")
            },
            findings=_findings(answers, recent, given)
            if is_small or "findings" in asked(request)
            else None,
            window=window,
            times=time_control(window, given, document["runs_by_step"]),
            ingest=answers.status(),
            now=answers.clock.now_unix_nano(),
        )

    @router.get("/overview/findings")
    def findings(request: Request) -> Response:
        given = _times(asked(request))
        return page(request, "parts/findings_list.html", findings=_findings(answers, recent, given))

    return router


def _most_important(services: Sequence[Mapping[str, Any]]) -> list[str]:
    return [one["service"] for one in services[:MOST_SERVICES]]


def _times(given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in given.items() if name in TIME_PARAMETERS}


def _findings(
    answers: Answers, recent: RecentAnswers, given: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The gravest findings of the window, the newest first among equals."""
    window = window_of(given, answers.clock)
    # A relative window moves on with every question; by what was asked, reloads meet again.
    key = repr(sorted((name, list(values)) for name, values in given.items()))
    document = recent.of(key, lambda: answers.findings(window.fixed)).document
    chosen = [one for one in document["findings"] if one["explained_by"] is None]
    return {"shown": chosen[:MOST_FINDINGS], "count": len(document["findings"]), "window": window}
