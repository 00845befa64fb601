"""The service map: a drawing, and the same as two tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from longpole.analyzer import traceql
from longpole.analyzer.service_map.excerpt import MOST_NODES, busiest, is_telling
from longpole.dashboards import errors, figures
from longpole.dashboards.answers import Answers
from longpole.dashboards.api import asked
from longpole.dashboards.links import service_address
from longpole.dashboards.map_drawing import MapDrawing, MapEdge, MapNode, map_drawing
from longpole.dashboards.pages.paging import Paging, page_number, paging
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers
from longpole.dashboards.time_window import TIME_PARAMETERS, time_control, window_of
from longpole.model.query import Comparison, Condition, Field, TraceQuery

# More labels than this lie on each other.
_MOST_LABELS = 40
PER_PAGE = 100
_FILTERS = ("q", "service", "operation", "error", "min_duration", "attr", "focus")


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    @router.get("/map")
    def service_map(request: Request) -> Response:
        found = _found(answers, recent, asked(request))
        return page(request, "map.html", found.pop("status"), place="map", **found)

    return router


def _found(
    answers: Answers, recent: RecentAnswers, given: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    kept = {name: list(given[name]) for name in _FILTERS if any(given.get(name, ()))}
    found: dict[str, Any] = {
        "q": "".join(given.get("q", [])[:1]), "focus": "".join(given.get("focus", [])[:1]),
        "refusal": "", "report": None, "drawing": None, "times": None, "kept_time": [],
        "status": 200, "whole": "",
    }  # fmt: skip
    try:
        window = window_of(given, answers.clock)
        found["times"] = time_control(window, {**given, **kept})
        time = window.parameters
        found["kept_time"] = [(name, values[0]) for name, values in time.items()]
        key = urlencode(sorted({**kept, **time}.items()), doseq=True)
        asked_for = {**kept, **window.fixed}
        number = page_number(given)
        report = recent.of(key, lambda: answers.service_map(asked_for)).document
    except errors.ANSWERED as error:
        found |= {"status": errors.shown_status(error), "refusal": str(error)}
        return found
    links = _Links({name: v for name, v in given.items() if name in TIME_PARAMETERS}, kept)
    if found["focus"] and report["nodes"] and report["focus"] is None:
        found["status"], found["whole"] = 404, links.whole()
        found["refusal"] = (
            f"There is no service or peer {found['focus'][:200]!r} in the traces of {window.words}."
        )
        return found
    # A call has the time of all that comes of it, in a chain nearly all there is; what it reached
    # alone tells calls apart.
    edges = sorted(report["edges"], key=lambda edge: -edge["callee_critical_ns"])
    nodes = sorted(report["nodes"], key=lambda node: -node["critical_ns"])
    report = report | {"edges": edges}
    kept_parameters = [(n, value) for n, values in {**kept, **time}.items() for value in values]
    count = max(len(edges), len(nodes))
    pages = paging(number, count, PER_PAGE, kept_parameters, "#calls")
    found["report"] = report
    found["names"] = {node["id"]: node for node in report["nodes"]}
    drawing = drawing_of(report, links, lambda place: _row_of(place, pages, links))
    found["drawing"] = drawing
    is_by_namespace = report["clusters"] and is_telling(report["clusters"]["nodes"])
    found["left_out"] = 0 if is_by_namespace else len(nodes) - len(drawing.nodes)
    found["edges"], found["nodes"] = pages.of(edges), pages.of(nodes)
    found["pages"] = pages
    found["links"] = links
    found["most_nodes"] = MOST_NODES
    return found


def _row_of(place: int, pages: Paging, links: _Links) -> str:
    """Where the row of a call is: on this page, or on another one."""
    number = place // PER_PAGE + 1
    address = "" if number == pages.number else links.page(number)
    return f"{address}#call-{place}"


class _Links:
    """Addresses of this page and of others, with its time kept."""

    def __init__(
        self, time: Mapping[str, Sequence[str]], kept: Mapping[str, Sequence[str]]
    ) -> None:
        self._time, self._kept = time, kept

    def _to(self, path: str, **more: object) -> str:
        text = urlencode({**more, **self._time}, doseq=True)
        return f"{path}?{text}" if text else path

    def focus(self, node_id: str) -> str:
        """This map around one node."""
        rest = {name: value for name, value in self._kept.items() if name != "focus"}
        return self._to("/map", **rest, focus=node_id)

    def page(self, number: int) -> str:
        """Another page of the tables of this map."""
        return self._to("/map", **self._kept, page=number)

    def whole(self) -> str:
        """This map without focus."""
        rest = {name: value for name, value in self._kept.items() if name != "focus"}
        return self._to("/map", **rest)

    def node(self, node: Mapping[str, Any]) -> str:
        """Where a node leads to: the page of a service, else the map around it."""
        if node["is_instrumented"]:
            return service_address(node["name"], self._time)
        return self.focus(node["id"])

    def namespace(self, name: str) -> str:
        """The map of the traces that come through a namespace."""
        if name.startswith("("):
            return ""
        condition = Condition(Field.RESOURCE_ATTRIBUTE, Comparison.EQ, name, "service.namespace")
        return self._to("/map", q=traceql.format_query(TraceQuery((condition,))))

    def traces(self, edge: Mapping[str, Any], node: Mapping[str, Any]) -> str:
        """Traces in which the caller of an edge calls somebody."""
        service = node["name"]
        return self._to("/traces", service=service) if node["kind"] == "service" else ""


def drawing_of(
    report: Mapping[str, Any], links: _Links, row_of: Callable[[int], str]
) -> MapDrawing:
    """The picture of a report: its nodes; where it has too many, its namespaces, or the busiest
    nodes where these tell nothing. An edge leads to its row, by its place."""
    nodes = report["nodes"]
    if report["clusters"]:
        if is_telling(report["clusters"]["nodes"]):
            return _clusters(report["clusters"], links)
        nodes = busiest(nodes)
    place = {node["id"]: number for number, node in enumerate(nodes)}
    name = {node["id"]: node["name"] for node in nodes}
    edges = [
        (number, edge) for number, edge in enumerate(report["edges"])
        if edge["from"] in place and edge["to"] in place
    ]  # fmt: skip
    is_labelled = len(edges) <= _MOST_LABELS
    return map_drawing(
        [
            MapNode(
                node["name"], node["kind"], _detail(node), _title(node),
                colour=node["name"] if node["kind"] == "service" else "",
                address=links.node(node), error_share=node["error_share"],
                critical_share=node["critical_share"], is_chosen=node["id"] == report["focus"],
            )
            for node in nodes
        ],
        [
            MapEdge(
                place[edge["from"]], place[edge["to"]], edge["calls"],
                f"{name[edge['from']]} calls {name[edge['to']]}: {_words(edge)}",
                label=f"{figures.rate(edge['calls_per_second'])}" if is_labelled else "",
                address=row_of(number), error_share=edge["error_share"],
                critical_share=edge["critical_share"], is_async=edge["kind"] == "async",
            )
            for number, edge in edges
        ],
    )  # fmt: skip


def _clusters(clusters: Mapping[str, Any], links: _Links) -> MapDrawing:
    place = {node["id"]: number for number, node in enumerate(clusters["nodes"])}
    return map_drawing(
        [
            MapNode(
                node["name"], "external", figures.plural(node["service_count"], "service"),
                f"{node['name']}: {figures.plural(node['node_count'], 'node')}",
                address=links.namespace(node["name"]), critical_share=node["critical_share"],
            )
            for node in clusters["nodes"]
        ],
        [
            MapEdge(
                place[edge["from"]], place[edge["to"]], edge["calls"],
                figures.plural(edge["calls"], "call"),
                error_share=edge["errors"] / edge["calls"] if edge["calls"] else 0.0,
            )
            for edge in clusters["edges"]
        ],
    )  # fmt: skip


def _detail(node: Mapping[str, Any]) -> str:
    parts = [node["system"][:20]] if node["system"] else []
    parts += [figures.rate(node["calls_per_second"]), f"p95 {figures.duration(node['p95_ns'])}"]
    if node["error_share"] >= 0.01:
        parts.append(f"✕ {figures.share(node['error_share'])}")
    return " · ".join(parts)


def _title(node: Mapping[str, Any]) -> str:
    kind = "" if node["kind"] == "service" else f" ({node['system'] or node['kind']})"
    return f"{node['name']}{kind}: {_words(node)} itself"


def _words(of: Mapping[str, Any]) -> str:
    return (
        f"{figures.rate(of['calls_per_second'])}, {figures.share(of['error_share'])} errors, "
        f"p95 {figures.duration(of['p95_ns'])}, {figures.share(of['critical_share'])} of the "
        "critical path"
    )
