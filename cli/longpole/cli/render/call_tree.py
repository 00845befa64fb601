"""The call-path tree as text: time with and without what was called, deepest pockets first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.critical_path import head_parts, notes
from longpole.cli.render.text import name_of
from longpole.dashboards.figures import duration, plural, share

MOST_ROWS = 60
LEAST_SHARE = 0.001  # smaller call paths are told together
DEEPEST = 24  # deeper ones are not moved further to the right


def call_tree_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole critical-path --tree --json`."""
    parts = head_parts(document)
    total = document["roots"]["duration_sum_ns"]
    nodes = document["tree"]
    shown = [node for node in nodes if node["inclusive_ns"] >= LEAST_SHARE * total][:MOST_ROWS]
    if shown:
        parts += [Text(), _table(shown, total)]
    if len(shown) < len(nodes):
        own = total - document["unexplained"]["critical_ns"]
        rest = own - sum(node["exclusive_ns"] for node in shown)
        hidden = plural(len(nodes) - len(shown), "smaller call path")
        parts.append(Text(f"  … {hidden}, {duration(rest)}; --json has all of them", "dim"))
    unexplained = document["unexplained"]
    if unexplained["critical_ns"]:
        count = plural(unexplained["call_path_count"], "call path")
        amount = duration(unexplained["critical_ns"])
        parts.append(Text(f"  {amount} in {count} whose calls could not be read again", "dim"))
    return Group(*parts, *notes(document))


def _table(nodes: list[Mapping[str, Any]], total: int) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("CALL PATH", no_wrap=True, overflow="ellipsis", ratio=6)
    table.add_column("WITH CALLS", justify="right", no_wrap=True)
    table.add_column("OWN", justify="right", no_wrap=True)
    table.add_column("SHARE", justify="right", no_wrap=True)
    table.add_column("", ratio=2, no_wrap=True)
    for node in nodes:
        name = Text("  " * min(node["depth"], DEEPEST))
        name.append(name_of(node["service"]), "bold")
        name.append(f" {name_of(node['operation'])}")
        held = max(0.0, min(1.0, node["inclusive_ns"] / total)) if total else 0.0
        table.add_row(
            name,
            duration(node["inclusive_ns"]),
            duration(node["exclusive_ns"]),
            share(node["exclusive_ns"] / total if total else 0.0),
            Bar(1, 0, held, color="yellow"),
        )
    return table
