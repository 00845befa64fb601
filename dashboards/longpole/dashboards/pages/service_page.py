"""The page of one service: its verdict, its RED charts, where its time goes, its operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from longpole.analyzer.reports.operation_reasons import operation_reasons
from longpole.analyzer.reports.service_sample import error_types, service_versions
from longpole.dashboards import figures
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked, of_service
from longpole.dashboards.charts import Chart, Series, chart
from longpole.dashboards.heat_map import heat_map
from longpole.dashboards.links import service_address, traces_address
from longpole.dashboards.pages.linked import linked_errors, linked_operations
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers
from longpole.dashboards.time_window import TIME_PARAMETERS, Window, time_control, window_of

# Runs in the window up to which the verdict is worked out with the page; else it follows after it.
AT_ONCE = 1_000
MOST_NEIGHBOURS = 8


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    def from_spans(service: str, given: Mapping[str, Sequence[str]], window: Window) -> Any:
        """What has to be read from spans and findings, once for a few seconds: a relative window
        moves on with every question, by what was asked reloads meet again."""
        key = repr((service, sorted(given.items())))
        return recent.of(
            key,
            lambda: {
                "versions": service_versions(answers.store, service, window.time),
                "reasons": operation_reasons(answers.store, service, window.time),
            },
        ).document

    @router.get("/services/{service:path}/say")
    def say(service: str, request: Request) -> Response:
        service, _ = of_service(service, request)
        window = window_of(times_of(request), answers.clock)
        return page(request, "parts/service_say.html", **_said(answers, service, window))

    @router.get("/services/{service:path}/around")
    def around(service: str, request: Request) -> Response:
        service, _ = of_service(service, request)
        window = window_of(times_of(request), answers.clock)
        return page(request, "parts/service_around.html", **_around(answers, service, window))

    @router.get("/services/{service:path}")
    def service(service: str, request: Request) -> Response:
        service, _ = of_service(service, request)
        given = times_of(request)
        window = window_of(given, answers.clock)
        document = answers.service(service, given)
        is_small = document["count"] <= AT_ONCE or "all" in asked(request)
        read = from_spans(service, given, window)
        versions = read["versions"]
        return page(
            request,
            "service.html",
            place="services",
            document=document,
            service=service,
            versions=versions,
            charts=red_charts(document, window, version_marks(versions)),
            heat=heat_map(document["heat"], window, service),
            operations=linked_operations(document["operations"], window.parameters),
            reasons=read["reasons"],
            said=_said(answers, service, window) if is_small else None,
            near=_around(answers, service, window) if is_small else None,
            addresses=_addresses(service, window),
            window=window,
            times=time_control(window, with_service(given, request), document["series"]["count"]),
        )

    return router


def times_of(request: Request) -> dict[str, list[str]]:
    """The parameters of the request that say which time."""
    return {name: values for name, values in asked(request).items() if name in TIME_PARAMETERS}


def with_service(given: Mapping[str, list[str]], request: Request) -> dict[str, list[str]]:
    """With the name of the service where the address names it in a parameter, for links and forms
    that lead to the same path."""
    return {**{k: v for k, v in asked(request).items() if k == "service"}, **given}


def version_marks(versions: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Where a version first appears beside or after another one."""
    return [
        (one["first_seen_unix_nano"], f"version {one['version']} first seen")
        for one in versions["versions"]
        if one["is_new"]
    ]


def red_charts(
    document: Mapping[str, Any], window: Window, marks: Sequence[tuple[int, str]] = ()
) -> list[Chart]:
    """Rate, errors and latency. The step that is still going on is left out of the lines: it would
    always look like a fall."""
    series, step_seconds = document["series"], window.step_ns / 1e9
    over = [start + window.step_ns <= window.now_unix_nano for start in window.steps]

    def shown(values: Sequence[float | None]) -> list[float | None]:
        return [value if done else None for value, done in zip(values, over, strict=True)]

    rates = [count / step_seconds for count in series["count"]]
    shares = [
        errors / count if count else None
        for errors, count in zip(series["errors"], series["count"], strict=True)
    ]
    return [
        chart("Rate", window, [Series("", "rate", shown(rates))], figures.rate,
              series["exemplars"], marks),
        chart("Errors", window, [Series("", "bad", shown(shares))], figures.share,
              series["error_exemplars"], marks),
        chart(
            "Latency", window,
            [Series("p50", "p50", shown(series["p50_ns"])),
             Series("p95", "p95", shown(series["p95_ns"]))],
            lambda ns: figures.duration(round(ns)), series["exemplars"], marks,
        ),
    ]  # fmt: skip


def _addresses(service: str, window: Window) -> dict[str, str]:
    time = window.parameters
    return {
        "page": service_address(service, time),
        "say": service_address(service, time, "say"),
        "around": service_address(service, time, "around"),
        "traces": traces_address(time, service),
        "failed": traces_address(time, service, only_errors=True),
        "json": "/api/v1" + service_address(service, time),
    }


def _said(answers: Answers, service: str, window: Window) -> dict[str, Any]:
    """The verdict of the service over this window, and the causes of its slow traces."""
    verdict = answers.service_verdict(service, window.fixed)
    return {"verdict": verdict, "addresses": _addresses(service, window)}


def _around(answers: Answers, service: str, window: Window) -> dict[str, Any]:
    """Who calls it and whom it calls, in a sample of its traces; its logs by severity and
    pattern."""
    drawn = answers.service_map({"service": [service], "focus": [service], **window.fixed})
    nodes = {node["id"]: node for node in drawn["nodes"]}
    own = drawn["focus"]

    def beside(near: str, far: str) -> list[dict[str, Any]]:
        chosen = [edge for edge in drawn["edges"] if edge[near] == own and edge[far] != own]
        return [
            {
                **edge,
                "node": nodes[edge[far]],
                "address": service_address(nodes[edge[far]]["name"], window.parameters)
                if nodes[edge[far]]["is_instrumented"]
                else "",
            }
            for edge in chosen[:MOST_NEIGHBOURS]
            if edge[far] in nodes
        ]

    patterns = answers.log_patterns({"service": [service], **window.fixed})
    by_level: dict[str, int] = {}
    for one in patterns["patterns"]:
        if one["count"]:  # else it is gone, and its levels are those of before
            for level, count in one["levels"].items():
                by_level[level] = by_level.get(level, 0) + count
    return {
        "callers": beside("to", "from"),
        "callees": beside("from", "to"),
        "patterns": patterns["patterns"],
        "by_level": by_level,
        "errors": linked_errors(
            error_types(answers.store, service, window.time), service, window.parameters
        ),
        "service": service,
    }
