"""The service map as text: calls as a tree from where traces begin, each node opened once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of, shortened
from longpole.dashboards.figures import duration, plural, share

MOST_LINES = 200
DEEPEST = 14  # levels that are drawn; what is called below is told of, not drawn
_FAILING, _MUCH = 0.01, 0.1
_BAR = 10
_KINDS = {"service": ("service", "services"), "database": ("database", "databases"),
          "queue": ("queue", "queues"), "external": ("other host", "other hosts")}  # fmt: skip


def map_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/map`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    nodes, coverage = document["nodes"], document["coverage"]
    counts = Counter(node["kind"] for node in nodes)
    words = [plural(counts[kind], *names) for kind, names in _KINDS.items() if counts[kind]]
    yield Text(", ".join(words) if words else "No trace matches.", "bold")
    if nodes:
        facts = f"{coverage['used']:,} of {plural(coverage['matched'], 'trace')}"
        yield Text(f"{facts}, {plural(coverage['spans'], 'span')}", "dim")
        yield Text()
        lines = _lines(nodes, document["edges"], document["critical_ns"])
        yield _table(lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield Text(f"… {len(lines) - MOST_LINES:,} more; --focus or --json", "dim")
        if any(line.remark == "↑" for line in lines):
            yield Text("↑ whom it calls is shown above; ┄▷ nobody waits for it", "dim")
    if coverage["unnamed_calls"]:
        told = plural(coverage["unnamed_calls"], "call leads", "calls lead")
        yield Text(f"note: {told} to somebody whom no attribute names", "dim")
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: the branches before a name, the node, the figures of the call that leads there
    (where traces begin, of the node), their share of the path, and what follows the name."""

    branches: str
    node: Mapping[str, Any]
    figures: Mapping[str, Any]
    on_path: float
    remark: str


def _lines(
    nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]], total_ns: int
) -> list[_Line]:
    by_id = {node["id"]: node for node in nodes}
    calls: dict[str, list[Mapping[str, Any]]] = {}
    for edge in sorted(edges, key=lambda edge: (-edge["critical_ns"], -edge["calls"], edge["to"])):
        calls.setdefault(edge["from"], []).append(edge)
    called = {edge["to"] for edge in edges if edge["to"] != edge["from"]}
    opened: set[str] = set()
    lines: list[_Line] = []
    # Where traces begin first, then what nobody calls, then what only rings lead to.
    starts = sorted(nodes, key=lambda n: (not n["traces_begun"], n["id"] in called))
    for start in starts:
        if start["id"] in opened:
            continue
        begun = start["begun_critical_ns"] / total_ns if total_ns else 0.0
        waiting = [(start["id"], start, begun, "", "", 0)]
        while waiting:
            node_id, figures, on_path, branches, rest, depth = waiting.pop()
            is_again = node_id in opened
            opened.add(node_id)
            below = [] if is_again else calls.get(node_id, [])
            remark = "↑" if is_again and calls.get(node_id) else ""
            if below and depth >= DEEPEST:
                remark, below = f"… {len(below)} more", []
            lines.append(_Line(branches, by_id[node_id], figures, on_path, remark))
            for place, edge in reversed(list(enumerate(below))):
                is_last = place == len(below) - 1
                arrow = "┄▷ " if edge["kind"] == "async" else "─ "
                waiting.append(
                    (
                        edge["to"],
                        edge,
                        edge["critical_share"],
                        rest + ("└" if is_last else "├") + arrow,
                        rest + ("    " if is_last else "│   "),
                        depth + 1,
                    )
                )
    return lines


def _table(lines: Sequence[_Line]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, expand=True)
    table.add_column("CALLS", no_wrap=True, overflow="ellipsis", ratio=1)
    for heading in ("PER SECOND", "ERRORS", "P50", "P95", "ON PATH"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=_BAR)
    for line in lines:
        table.add_row(*_cells(line))
    return table


def _cells(line: _Line) -> tuple[Text | str, ...]:
    node, figures = line.node, line.figures
    name = Text(line.branches, "dim")
    name.append(name_of(node["name"]), "cyan" if node["kind"] == "service" else "not dim")
    if node["kind"] != "service":
        name.append(f" {shortened(inert(node['system']), 24) or node['kind']}", "dim")
    if line.remark:
        name.append(f" {line.remark}", "dim")
    failing = figures["error_share"] >= _FAILING
    return (
        name,
        rate(figures["calls_per_second"]),
        Text(share(figures["error_share"]), "red" if failing else "dim"),
        duration(figures["p50_ns"]),
        duration(figures["p95_ns"]),
        Text(share(line.on_path), "bold" if line.on_path >= _MUCH else ""),
        Text("█" * round(line.on_path * _BAR), "yellow"),
    )


def rate(per_second: float) -> str:
    """Calls per second with two digits that count."""
    if per_second >= 10:
        return f"{per_second:,.0f}"
    return f"{per_second:.1f}" if per_second >= 1 else f"{per_second:.2g}"
