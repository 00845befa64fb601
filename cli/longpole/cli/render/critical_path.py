"""Critical-path totals as text: a table whose shares add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert
from longpole.dashboards.figures import duration, plural, share

MOST_ROWS = 30
KEYS = (
    "service", "operation", "label", "peer_service", "root_service", "root_operation",
    "call_path_id",
)  # fmt: skip


def critical_path_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole critical-path --json`."""
    roots, coverage, groups = document["roots"], document["coverage"], document["groups"]
    head = Text()
    head.append(
        f"{plural(roots['trace_count'], 'trace')}, {duration(roots['duration_sum_ns'])}", "bold"
    )
    if roots["trace_count"]:
        figures = (
            f"{name} {duration(roots[f'{name}_ns'])}" for name in ("p50", "p95", "p99", "max")
        )
        head.append("   root: " + "  ".join(figures))
    parts: list[RenderableType] = [head, Text(_coverage(coverage), "dim")]
    if groups:
        parts += [Text(), _table(groups)]
    if len(groups) > MOST_ROWS:
        rest = groups[MOST_ROWS:]
        amount = duration(sum(group["critical_ns"] for group in rest))
        parts.append(Text(f"  … {len(rest):,} more rows, {amount}; --json has all of them", "dim"))
    parts += [Text(f"note: {inert(notice)}", "dim") for notice in document.get("notices", ())]
    return Group(*parts)


def _coverage(coverage: Mapping[str, int]) -> str:
    facts = [f"{coverage['matched']:,} matched", f"{coverage['used']:,} used"]
    for name, words in (
        ("unsettled_explained", "explained on the fly"),
        ("incomplete", "incomplete"),
        ("late", "with late spans"),
    ):
        if coverage[name]:
            facts.append(f"{coverage[name]:,} {words}")
    return ", ".join(facts)


def _table(groups: list[Mapping[str, Any]]) -> Table:
    names = [key for key in KEYS if key in groups[0]]
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    for name in names:
        table.add_column(name.replace("_", " ").upper(), no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("TIME", justify="right", no_wrap=True)
    table.add_column("SHARE", justify="right", no_wrap=True)
    table.add_column("TRACES", justify="right", no_wrap=True)
    table.add_column("", ratio=2, no_wrap=True)
    for group in groups[:MOST_ROWS]:
        cells: list[RenderableType] = [Text(inert(str(group[name] or ""))) for name in names]
        held = max(0.0, min(1.0, float(group["share"])))
        table.add_row(
            *cells,
            duration(group["critical_ns"]),
            share(group["share"]),
            f"{group['trace_count']:,}",
            Bar(1, 0, held, color="yellow"),
        )
    return table
