"""The map of one trace: its services and what they called, as shapes with figures on the arrows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from longpole.dashboards import figures
from longpole.dashboards.map_drawing import MapDrawing, MapEdge, MapNode, map_drawing

# What fails at all is worth red ink in one trace; the service map waits for a share.
MOST_SHARE = 1.0


def trace_map(report: Mapping[str, Any], trace_id: str) -> MapDrawing:
    """The drawing of a report of the service map that is about one trace. A service leads to its
    spans on the page of the trace."""
    places = {node["id"]: place for place, node in enumerate(report["nodes"])}
    nodes = [_node(node, trace_id) for node in report["nodes"]]
    edges = [_edge(edge, places, report["nodes"]) for edge in report["edges"]]
    return map_drawing(nodes, edges)


def _node(node: Mapping[str, Any], trace_id: str) -> MapNode:
    is_service = node["kind"] == "service"
    held = figures.duration(node["critical_ns"])
    detail = f"{held} on path" if node["critical_ns"] else figures.plural(node["calls"], "call")
    find = quote(f'"service:{node["name"]}"', safe="")
    return MapNode(
        name=node["name"],
        kind=node["kind"],
        detail=detail + (f" · ✕ {node['errors']:,}" if node["errors"] else ""),
        title=f"{node['name']}: entered {figures.plural(node['calls'], 'time')}, "
        f"{figures.plural(node['errors'], 'error')}, {held} on the critical path "
        f"({figures.share(node['critical_share'])})",
        colour=node["name"] if is_service else "",
        address=f"/traces/{quote(trace_id)}?f={find}" if is_service else "",
        error_share=MOST_SHARE if node["errors"] else 0.0,
        critical_share=node["critical_share"],
    )


def _edge(
    edge: Mapping[str, Any], places: Mapping[str, int], nodes: Sequence[Mapping[str, Any]]
) -> MapEdge:
    source, target = places[edge["from"]], places[edge["to"]]
    held = figures.duration(edge["critical_ns"])
    label = f"×{edge['calls']:,}" if edge["calls"] > 1 else ""
    if edge["critical_ns"]:
        label = f"{label} {held}".strip()
    if edge["errors"]:
        label = f"{label} ✕{edge['errors']:,}".strip()
    return MapEdge(
        source=source,
        target=target,
        calls=edge["calls"],
        title=f"{nodes[source]['name']} to {nodes[target]['name']}: "
        f"{figures.plural(edge['calls'], 'call')}, {figures.plural(edge['errors'], 'error')}, "
        f"{held} on the critical path behind them",
        label=label,
        error_share=edge["error_share"],
        critical_share=edge["critical_share"],
        is_async=edge["kind"] == "async",
    )
