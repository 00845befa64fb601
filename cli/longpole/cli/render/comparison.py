"""What changed between two times, as text: two columns and their difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of
from longpole.dashboards.figures import duration, plural

MOST_ROWS = 10


def comparison_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `demo_comparison.comparison`."""
    head = Text(f"{name_of(document['root_operation'])}: where a trace spends its time", "bold")
    parts: list[RenderableType] = [head, Text(), _table(document)]
    rest = document["rows"][MOST_ROWS:]
    if rest:
        amount = _signed(sum(row["difference_ns"] for row in rest))
        parts.append(Text(f"  … {plural(len(rest), 'more row')}, {amount} together", "dim"))
    return Group(*parts)


def _table(document: Mapping[str, Any]) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("SERVICE", "OPERATION"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", ratio=3)
    for name in ("BEFORE", "DURING", "DIFFERENCE"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in document["rows"][:MOST_ROWS]:
        table.add_row(
            Text(inert(row["service"])),
            Text(inert(row["operation"])),
            duration(row["before_ns"]),
            duration(row["during_ns"]),
            Text(_signed(row["difference_ns"]), "bold"),
        )
    before, during = document["before"], document["during"]
    table.add_section()
    for name in ("mean", "p50", "p95", "max"):
        cells = [_amount(side[f"{name}_ns"]) for side in (before, during)]
        pair = before[f"{name}_ns"], during[f"{name}_ns"]
        change = "" if None in pair else _signed(pair[1] - pair[0])
        table.add_row("", f"all of it, {name}", *cells, change, style="dim")
    table.add_row("", "traces", *(f"{side['trace_count']:,}" for side in (before, during)), "",
                  style="dim")  # fmt: skip
    return table


def _amount(nanoseconds: int | None) -> str:
    return "-" if nanoseconds is None else duration(nanoseconds)


def _signed(nanoseconds: int) -> str:
    return ("+" if nanoseconds > 0 else "−" if nanoseconds < 0 else "") + duration(abs(nanoseconds))
