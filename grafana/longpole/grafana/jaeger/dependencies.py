"""Who calls whom how often, from the service map."""

from __future__ import annotations

from typing import Any

from longpole.analyzer.reports.service_map_report import service_map_report
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader


def dependency_links(store: TraceReader, time: TimeRange) -> list[dict[str, Any]]:
    """One link for each pair. Of very many traces the map looks at a fair draw; counts are then
    brought up to all of them."""
    document = service_map_report(store, TraceQuery(time=time, limit=None))
    names = {node["id"]: node["name"] for node in document["nodes"]}
    coverage = document["coverage"]
    share = coverage["matched"] / coverage["used"] if coverage["used"] else 1.0
    calls: dict[tuple[str, str], int] = {}
    for edge in document["edges"]:
        # Calls that wait and calls that do not are two edges there.
        pair = names.get(edge["from"], ""), names.get(edge["to"], "")
        calls[pair] = calls.get(pair, 0) + edge["calls"]
    return [
        {"parent": parent, "child": child, "callCount": round(count * share)}
        for (parent, child), count in calls.items()
        if parent and child
    ]
