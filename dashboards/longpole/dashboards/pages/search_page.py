"""The search page: traces that match a question, what they have in common, and why they took long.

Without scripts it is a form, links and a table; scripts add completion, a picture and keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from longpole.analyzer.traceql import QuerySyntaxError, field_text, format_query, parse_query
from longpole.dashboards import errors, parameters
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.figures import ago
from longpole.dashboards.mended_address import mended_address
from longpole.dashboards.mini_ribbon import SLOTS, mini_ribbon
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.pages.result_position import result_addresses
from longpole.dashboards.search_parameters import SEARCH, address, with_default_time
from longpole.dashboards.time_window import TIME_PARAMETERS, time_control, window_of
from longpole.model.query import TraceQuery

SORTS = (("newest", "Newest"), ("slowest", "Slowest"), ("errors", "Errors"), ("spans", "Spans"))
GROUPS = (("", "Traces"), ("cause", "By cause"))
# What of the parameters is no condition: the conditions all go into `q`.
_KEPT = frozenset({"since", "from", "to", "sort", "before", "cause", "group"})
# What a new query leaves as it is.
_STAYS = ("since", "from", "to", "sort", "group")
_TRACE_ID = re.compile(r"\s*(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{32})\s*")
_BAR = 100
# A window may be somewhat longer; what is older than that is found by choosing a time.
_LONGEST_NS = 100 * 86_400 * 10**9


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()

    @router.get("/traces")
    def traces(request: Request) -> Response:
        given = asked(request)
        text = "".join(given.get("q", [])[:1])
        if _TRACE_ID.fullmatch(text):
            return RedirectResponse(f"/traces/{text.strip().lower()}", status_code=302)
        values = _values(answers, text, given)
        status = values.pop("status", 200)
        return page(request, "traces.html", status, place="traces", **values)

    return router


def _values(answers: Answers, text: str, asked: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Everything that the template shows; with `refusal`, only what was wrong with the question."""
    given = with_default_time(asked)
    values: dict[str, Any] = {"q": text, "refusal": None, "report": None, "slots": SLOTS}
    try:
        group = parameters.first(given, "group") or ""
        if group not in dict(GROUPS):
            raise errors.BadQuestion("group: cause is what traces can be grouped by")
        parts = "causes" if group else "list"
        wanted = {k: v for k, v in given.items() if k != "group"}
        values["times"] = time_control(window_of(given, answers.clock), given)
        report = answers.search({**wanted, "with": [f"{parts},facets"]})
    except errors.ANSWERED as error:
        return {
            **values,
            "status": errors.shown_status(error),
            "times": values.get("times"),
            "refusal": {
                **refusal_of_query(error, text),
                "mended": mended_address(
                    "/traces", [(k, v) for k, vs in asked.items() for v in vs], str(error)
                ),
            },
        }
    base = {k: v for k, v in given.items() if k in _KEPT}
    conditions = parse_query(report["query"]).conditions
    normal = format_query(TraceQuery(conditions)) if conditions else ""
    if not text:
        values["q"] = normal
    search = {**base, "q": [normal]}
    now = answers.clock.now_unix_nano()
    status = {} if report["matched"] else answers.status()
    return {
        **values,
        "report": report,
        "group": group,
        "is_empty_store": not report["matched"] and not status["record_counts"]["traces"],
        "receivers": {k: v for k, v in answers.addresses.items() if k in ("grpc", "http")},
        "chips": _chips(search, conditions, report["cause"]),
        "sorts": [(name, _link(search, sort=name)) for name, _ in SORTS],
        "sort_labels": dict(SORTS),
        "groups": [
            (label, _link(search, group=name, cause=""), name == group) for name, label in GROUPS
        ],
        "facets": [
            {**facet, "options": [
                {**option, "address": _link(search, q=option["q"])} for option in facet["options"]
            ]}
            for facet in report["facets"]
        ],
        "rows": search_rows(report.get("traces", ()), search, now),
        "causes": [
            {**cause, "address": _link(search, group="", cause=cause["key"])}
            for cause in report.get("causes", ())
        ],
        "removals": [_removal(search, one, status) for one in report.get("removals", ())],
        "scatter": address("/api/v1/search", search, SEARCH, **{"with": "scatter"}),
        "hidden": [(k, v) for k in _STAYS for v in base.get(k, ())],
        "beyond": _beyond(search, report, now),
        "newer": _turned(search, report, -1, now),
        "older": _turned(search, report, 1, now),
    }  # fmt: skip


def _link(search: Mapping[str, Sequence[str]], **changed: str) -> str:
    return address("/traces", search, _KEPT | {"q"}, **changed)


def refusal_of_query(error: Exception, text: str, path: str = "/traces") -> dict[str, Any]:
    """What was wrong, where, and what was likely meant, with the address of that on `path`."""
    if not isinstance(error, QuerySyntaxError):
        return {"reason": str(error), "line": "", "position": None, "meant": ""}
    begin = text.rfind("\n", 0, error.position) + 1
    line = text[begin:].split("\n", 1)[0]
    at = error.position - begin
    meant = parameters.meant_query(text.strip())
    return {
        "reason": error.reason,
        "line": line,
        "before": line[:at],
        "at": line[at : at + 1] or " ",
        "after": line[at + 1 :],
        "position": error.position,
        "meant": meant,
        "meant_address": address(path, {}, (), q=meant),
    }


def _chips(
    search: Mapping[str, Sequence[str]], conditions: Sequence[Any], cause: str
) -> list[dict[str, str]]:
    """Each condition with the list that is without it."""
    chips = []
    for place, condition in enumerate(conditions):
        rest = (*conditions[:place], *conditions[place + 1 :])
        alone = format_query(TraceQuery((condition,)))[2:-2]
        q = format_query(TraceQuery(rest)) if rest else ""
        field = field_text(condition.field, condition.key)
        chips.append({"text": alone, "field": field, "address": _link(search, q=q)})
    if cause:
        chips.append({"text": cause, "field": "cause", "address": _link(search, cause="")})
    return chips


def search_rows(
    traces: Sequence[Mapping[str, Any]], search: Mapping[str, Sequence[str]], now: int
) -> list[dict[str, Any]]:
    """Rows of a search document with what a page shows of each."""
    slowest = max((row["duration_ns"] for row in traces), default=0)
    address_of = result_addresses(search)
    rows = []
    for row in traces:
        times = row["times_typical"]
        rows.append(
            {
                **row,
                "address": address_of(row["trace_id"], row["number"]),
                "ago": ago(now - row["start_unix_nano"]),
                "bar": max(1.0, row["duration_ns"] * _BAR / slowest) if slowest > 0 else 0.0,
                "times": f"{times:.3g}" if times is not None and times >= 1.5 else "",
                "ribbon": mini_ribbon(row["path"], row["start_unix_nano"], row["duration_ns"]),
            }
        )
    return rows


def _removal(
    search: Mapping[str, Sequence[str]], one: Mapping[str, Any], status: Mapping[str, Any]
) -> dict[str, Any]:
    """What to leave out, with the list that is then found."""
    if one["without"] != "time":
        return {**one, "address": _link(search, q=one["q"])}
    timeless = {k: v for k, v in search.items() if k not in (*TIME_PARAMETERS, "before")}
    last = (status["newest_unix_nano"] or 0) + 1
    first = max(status["oldest_unix_nano"] or 0, last - _LONGEST_NS)
    return {**one, "address": _link(timeless, q=one["q"], **{"from": str(first), "to": str(last)})}


def _beyond(
    search: Mapping[str, Sequence[str]], report: Mapping[str, Any], now: int
) -> dict[str, Any] | None:
    """For a page after the last one: how many there are, and where the last one is."""
    last = -(-report["matched"] // report["per_page"])
    if "traces" not in report or report["page"] <= max(last, 1):
        return None
    at_last = {**report, "page": last + 1}
    return {"page": report["page"], "last": last, "address": _turned(search, at_last, -1, now)}


def _turned(
    search: Mapping[str, Sequence[str]], report: Mapping[str, Any], step: int, now: int
) -> str:
    """The page before or after; it leaves out what has come since, so that no row moves."""
    turned = report["page"] + step
    if "traces" not in report or turned < 1:
        return ""
    if (turned - 1) * report["per_page"] >= report["matched"]:
        return ""
    pinned = "".join(search.get("before", [])[:1]) or str(now)
    return address(
        "/traces", search, _KEPT | {"q"}, before=pinned, page=str(turned) if turned > 1 else ""
    )
