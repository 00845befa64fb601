"""The page of one operation of a service: its charts, what its runs wait for, its slow runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from longpole.analyzer.reports.operation_runs import operation_runs
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked, of_service
from longpole.dashboards.charts import Chart, Series, chart
from longpole.dashboards.heat_map import heat_map
from longpole.dashboards.links import (
    compare_address,
    operation_address,
    service_address,
    traces_address,
    traces_query,
)
from longpole.dashboards.owner_bars import owner_bars
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.pages.service_page import AT_ONCE, red_charts, with_service
from longpole.dashboards.recent_answers import RecentAnswers
from longpole.dashboards.time_window import TIME_PARAMETERS, Window, time_control, window_of

# Runs up to which what they wait for is worked out with the page; else it follows after it.
RUNS_AT_ONCE = 200
# Findings in an operation's traces that are listed beside its own.
MOST_OTHERS = 3


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    @router.get("/services/{service:path}/op/differs")
    def differs(service: str, request: Request) -> Response:
        return _differs(answers, service, request)

    @router.get("/services/{service:path}/op/say")
    def say(service: str, request: Request) -> Response:
        service, given = _given(service, request)
        window = window_of(given, answers.clock)
        name = answers.service_operation(service, given)["operation"]
        said = _said(answers, recent, service, name, window)
        return page(request, "parts/operation_say.html", said=said)

    @router.get("/services/{service:path}/op/runs")
    def runs(service: str, request: Request) -> Response:
        service, given = _given(service, request)
        window = window_of(given, answers.clock)
        document = answers.service_operation(service, given)
        return page(request, "parts/operation_runs.html", **_runs(answers, document, window))

    @router.get("/services/{service:path}/op")
    def operation(service: str, request: Request) -> Response:
        return _operation(answers, recent, service, request)

    return router


def _given(service: str, request: Request) -> tuple[str, dict[str, list[str]]]:
    """The service, and which of its operations at which time."""
    service, given = of_service(service, request)
    names = (*TIME_PARAMETERS, "name")
    return service, {name: values for name, values in given.items() if name in names}


def path_chart(document: Mapping[str, Any], window: Window) -> Chart:
    """How many seconds of critical path a second: how many requests wait for it at a time."""
    series, step_seconds = document["series"], window.step_ns / 1e9
    waits = [
        ns / 1e9 / step_seconds if start + window.step_ns <= window.now_unix_nano else None
        for start, ns in zip(window.steps, series["critical_ns"], strict=True)
    ]
    return chart("Requests waiting for it", window, [Series("", "p95", waits)],
                 lambda count: f"{count:.2g}", series["exemplars"])  # fmt: skip


def _differs(answers: Answers, service: str, request: Request) -> Response:
    """What runs of an operation that took longer than its p95 have more of than the others."""
    service, given = _given(service, request)
    window = window_of(given, answers.clock)
    document = answers.service_operation(service, given)
    sides = {
        "base_q": [traces_query(service, document["operation"], to_ns=document["p95_ns"])],
        "head_q": [traces_query(service, document["operation"], from_ns=document["p95_ns"])],
    }
    compared = answers.compare({**sides, **window.fixed}) if document["p95_ns"] else None
    return page(request, "parts/operation_differs.html", compared=compared)


def _operation(answers: Answers, recent: RecentAnswers, service: str, request: Request) -> Response:
    service, given = _given(service, request)
    window = window_of(given, answers.clock)
    document = answers.service_operation(service, given)
    name = document["operation"]
    time = window.parameters
    count = 0 if "all" in asked(request) else document["count"]
    return page(
        request,
        "operation.html",
        place="services",
        document=document,
        service=service,
        operation=name,
        charts=[*red_charts(document, window), path_chart(document, window)],
        heat=heat_map(document["heat"], window, service, name),
        runs=_runs(answers, document, window) if count <= RUNS_AT_ONCE else None,
        said=_said(answers, recent, service, name, window) if count <= AT_ONCE else None,
        addresses={
            "page": operation_address(service, name, time),
            "runs": operation_address(service, name, time, "runs"),
            "say": operation_address(service, name, time, "say"),
            "service": service_address(service, time),
            "traces": traces_address(time, service, name),
            "failed": traces_address(time, service, name, only_errors=True),
            "differs": operation_address(service, name, time, "differs"),
            "compare": compare_address(service, name, document["p95_ns"], window.fixed),
            "slow": traces_address(time, service, name, from_ns=document["p95_ns"]),
        },
        window=window,
        times=time_control(window, with_service(given, request), document["series"]["count"]),
    )


def _said(
    answers: Answers, recent: RecentAnswers, service: str, name: str, window: Window
) -> dict[str, Any]:
    """What is wrong in the traces of an operation: `own` findings name it, `others` name something
    else in them; each with the one to mend first in front."""
    query = {"q": [traces_query(service, name)], **window.fixed}
    key = repr((service, name, sorted(window.parameters.items())))
    found = recent.of(key, lambda: answers.findings(query)).document["findings"]
    of_it = [one for one in found if (one["service"], one["operation"]) == (service, name)]
    others = [one for one in found if one not in of_it][:MOST_OTHERS]
    return {"own": of_it[:1], "others": [*of_it[1:], *others][:MOST_OTHERS]}


def _runs(answers: Answers, document: Mapping[str, Any], window: Window) -> dict[str, Any]:
    """What its runs wait for, a typical one and slow ones, from a sample."""
    service, name = document["service"], document["operation"]
    found = operation_runs(answers.store, service, name, window.red, document["p95_ns"])
    return {
        "found": found,
        "bars": owner_bars(found, window),
        "service": service,
        "slower_than_ns": document["p95_ns"],
    }
