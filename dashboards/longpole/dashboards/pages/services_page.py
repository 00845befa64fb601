"""The list of services: sorted by whatever column, filtered by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from longpole.dashboards import parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.errors import BadQuestion
from longpole.dashboards.pages.linked import linked_services
from longpole.dashboards.pages.paging import page_number, paging
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.time_window import TIME_PARAMETERS, time_control, window_of

# What a column is called in the address, its heading, and what it sorts by.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("service", "Service"),
    ("critical_ns", "On the path"),
    ("rate", "Rate"),
    ("error_share", "Errors"),
    ("p50_ns", "p50"),
    ("p95_ns", "p95"),
    ("p99_ns", "p99"),
)
PER_PAGE = 100
_BEYOND = 1 << 63  # a quantile beyond the last bound of its histogram


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/services")
    def services(request: Request) -> Response:
        given = asked(request)
        parameters.only(given, TIME_PARAMETERS, frozenset({"sort", "filter", "page"}))
        times = {name: values for name, values in given.items() if name in TIME_PARAMETERS}
        window = window_of(times, answers.clock)
        sort = parameters.first(given, "sort") or "-critical_ns"
        wanted = parameters.first(given, "filter") or ""
        number = page_number(given)
        chosen: list[Mapping[str, Any]] = []

        def shown(services: Sequence[Mapping[str, Any]]) -> list[str]:
            chosen.extend(_sorted(_named(services, wanted), sort))
            return [row["service"] for row in chosen[PER_PAGE * (number - 1) :][:PER_PAGE]]

        document = answers.overview(times, shown)
        whole = {n: values for n, values in given.items() if n != "page"}
        kept = [(n, v) for n, values in whole.items() for v in values]
        return page(
            request,
            "services.html",
            place="services",
            document=document,
            services=linked_services(
                chosen[PER_PAGE * (number - 1) :][:PER_PAGE], window.parameters
            ),
            count=len(document["services"]),
            found=len(chosen),
            pages=paging(number, len(chosen), PER_PAGE, kept),
            columns=_headings(sort, whole),
            filter=wanted,
            kept=[(n, v) for n, v in kept if n != "filter"],
            window=window,
            times=time_control(window, whole, document["runs_by_step"]),
        )

    return router


def _named(rows: Sequence[Mapping[str, Any]], text: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if text.casefold() in row["service"].casefold()]


def _sorted(rows: Sequence[Mapping[str, Any]], sort: str) -> list[Mapping[str, Any]]:
    name = sort.removeprefix("-")
    if name not in dict(COLUMNS):
        raise BadQuestion(f"sort: choose from {', '.join(dict(COLUMNS))}, - in front for falling")

    def key(row: Mapping[str, Any]) -> Any:
        return _BEYOND if row[name] is None else row[name]

    by_name = sorted(rows, key=lambda row: str(row["service"]))
    return sorted(by_name, key=key, reverse=sort.startswith("-"))


def _headings(sort: str, given: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Label, order (`ascending`, `descending` or none) and address of each column."""
    headings = []
    for name, label in COLUMNS:
        order = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        first = name if name == "service" else f"-{name}"
        other = {"ascending": f"-{name}", "descending": name}.get(order, first)
        kept = [(n, v) for n, values in given.items() if n != "sort" for v in values]
        headings.append(
            {"label": label, "order": order, "address": "?" + urlencode([*kept, ("sort", other)])}
        )
    return headings
