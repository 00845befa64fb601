"""How one trace differs from another, as text: the verdict, and both as one tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.compare import signed
from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.dashboards.changed_rows import changed_rows
from longpole.dashboards.figures import count, duration, plural

MOST_ROWS = 40
DEEPEST_INDENT = 16


def compare_traces_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/compare/traces`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(sentence_of(document["verdict_line"]), "bold")
    for side in (document["base"], document["head"]):
        typical = side["typical"]
        traces = (
            f"mean of {plural(len(typical['trace_ids']), 'trace')} around the median of "
            f"{typical['looked_at']:,}"
            if typical
            else side["trace_id"]
        )
        yield Text(f"{side['name']}: {duration(side['mean_ns'])}  {traces}", "dim")
    rows = changed_rows(document)
    yield Text()
    yield _tree(document, rows[:MOST_ROWS])
    left_out = len(document["nodes"]) - len(rows[:MOST_ROWS])
    if left_out:
        yield Text(f"{plural(left_out, 'call path')} that changed less not shown", "dim")
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _tree(document: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("OPERATION", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("CALLS", "ON PATH", "Δ OWN", "Δ WITH ALL BELOW"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        base, head = row["base"], row["head"]
        name = "  " * min(row["depth"], DEEPEST_INDENT)
        name += f"{name_of(row['service'])} {name_of(row['operation'])}"
        if row["only_in"]:
            name += f" (only in {document[row['only_in']]['name']})"
        calls = count(head["calls"])
        if base["calls"] != head["calls"]:
            calls = f"{count(base['calls'])} → {calls}"
        own, below = row["difference_ns"], row["inclusive_difference_ns"]
        table.add_row(
            Text(name),
            calls,
            f"{duration(base['critical_ns'])} → {duration(head['critical_ns'])}",
            Text(signed(own), "bold") if own else "",
            signed(below) if below else "",
        )
    total = signed(document["compared"]["difference_ns"])
    table.add_section()
    table.add_row("all together", "", "", Text(total, "bold"), "")
    return table
