"""Large maps made readable: what lies around one node, one node for each namespace, or the busiest
nodes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]
Edge = Mapping[str, Any]

HOPS = 2
# Above so many nodes a map is drawn by namespace, unless a node is chosen.
MOST_NODES = 150
# Fewer namespaces tell nothing, and neither do they when one holds so much of all.
LEAST_CLUSTERS = 3
MOST_IN_ONE = 0.6
# So many of the busiest nodes are drawn then.
MOST_BUSIEST = 80
_REST = "(no namespace)"


def around(
    nodes: Sequence[Node], edges: Sequence[Edge], chosen: str, hops: int = HOPS
) -> tuple[list[Node], list[Edge]]:
    """The nodes at most `hops` calls before or after the node with the id `chosen`, and the edges
    between them, all in their order. Callers of callees are not around: only who calls it,
    directly or not, and whom it calls."""
    kept = {chosen}
    for near, far in (("from", "to"), ("to", "from")):
        reached: set[str] = {chosen}
        frontier = {chosen}
        for _ in range(hops):
            frontier = {str(edge[far]) for edge in edges if edge[near] in frontier} - reached
            reached |= frontier
        kept |= reached
    return (
        [node for node in nodes if node["id"] in kept],
        [edge for edge in edges if edge["from"] in kept and edge["to"] in kept],
    )


def by_namespace(
    nodes: Sequence[Node], edges: Sequence[Edge]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """One node for each namespace and edges between these. A peer belongs to the namespace that
    calls it most. Calls inside of a namespace are an edge to itself."""
    home = _homes(nodes, edges)
    clusters: dict[str, dict[str, Any]] = {}
    for node in nodes:
        name = home[node["id"]]
        cluster = clusters.setdefault(
            name, {"id": f"namespace:{name}", "name": name, "node_count": 0, "service_count": 0,
                   "critical_ns": 0, "critical_share": 0.0}
        )  # fmt: skip
        cluster["node_count"] += 1
        cluster["service_count"] += node["kind"] == "service"
        cluster["critical_ns"] += node["critical_ns"]
        cluster["critical_share"] = round(cluster["critical_share"] + node["critical_share"], 6)
    joined: dict[tuple[str, str], dict[str, Any]] = {}
    for edge in edges:
        ends = home[edge["from"]], home[edge["to"]]
        line = joined.setdefault(
            ends, {"from": f"namespace:{ends[0]}", "to": f"namespace:{ends[1]}", "calls": 0,
                   "errors": 0, "edge_count": 0}
        )  # fmt: skip
        line["calls"] += edge["calls"]
        line["errors"] += edge["errors"]
        line["edge_count"] += 1
    return list(clusters.values()), list(joined.values())


def is_telling(clusters: Sequence[Node]) -> bool:
    """Whether a map drawn by namespace says something: most senders set none."""
    if not LEAST_CLUSTERS <= len(clusters) <= MOST_NODES:
        return False
    sizes = [int(cluster["node_count"]) for cluster in clusters]
    return max(sizes) <= MOST_IN_ONE * sum(sizes)


def busiest(nodes: Sequence[Node], most: int = MOST_BUSIEST) -> list[Node]:
    """The nodes that hold most of the critical path, of equals those with most calls, in the order
    in which they came."""
    order = sorted(
        range(len(nodes)), key=lambda i: (-nodes[i]["critical_ns"], -nodes[i]["calls"], i)
    )
    return [nodes[i] for i in sorted(order[:most])]


def _homes(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, str]:
    home = {
        str(node["id"]): str(node["namespace"]) or _REST
        for node in nodes
        if node["kind"] == "service"
    }
    votes: dict[str, dict[str, int]] = {}
    for edge in edges:
        for inside, outside in (("from", "to"), ("to", "from")):
            if edge[inside] in home and edge[outside] not in home:
                of_peer = votes.setdefault(edge[outside], {})
                name = home[edge[inside]]
                of_peer[name] = of_peer.get(name, 0) + edge["calls"]
    for node in nodes:
        if node["id"] not in home:
            of_peer = votes.get(node["id"], {})
            home[node["id"]] = max(of_peer, key=lambda name: (of_peer[name], name), default=_REST)
    return home
