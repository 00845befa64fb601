"""The span tree on a terminal: indentation, bars on the root's time, the path marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import name_of
from longpole.dashboards.figures import duration
from longpole.dashboards.time_axis import AFTER, BEFORE, OUTSIDE, TimeAxis

# Up to so many spans the whole tree is shown; of longer traces the path and its context.
WHOLE_TREE = 60
MOST_PATH_SPANS = 40
MOST_ERRORS = 10
DEEPEST_INDENT = 16
KEPT_OF_A_RUN = 2


def span_tree(
    spans: Sequence[Mapping[str, Any]], all_spans: bool, shown_ns: tuple[int, int] = (0, 0)
) -> RenderableType:
    """`spans` in tree order. Rows that are left out are counted where they would stand.

    Bars are scaled to `shown_ns`, begin and end of the root in Unix nanoseconds, so that one
    stray span does not make all of them unreadable; without it to all spans. What lies outside
    is marked: `‹` before, `›` after.
    """
    shown = range(len(spans)) if all_spans else chosen(spans)
    axis = TimeAxis.of(spans, shown_ns)
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("SPANS (● on the critical path)", ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("on path", justify="right", no_wrap=True)
    table.add_column("total", justify="right", no_wrap=True)
    table.add_column("", ratio=3, no_wrap=True)
    last = -1
    for index in shown:
        if index > last + 1:
            table.add_row(_more(index - last - 1))
        table.add_row(*_row(spans[index], axis))
        last = index
    if last < len(spans) - 1:
        table.add_row(_more(len(spans) - 1 - last))
    if any(axis.place(spans[index])[2] for index in shown):
        return Group(table, Text(f"  {BEFORE} {AFTER}  {OUTSIDE}", "dim"))
    return table


def chosen(spans: Sequence[Mapping[str, Any]]) -> list[int]:
    """Which rows to show: all of a short trace; else the spans with the most time on the path,
    the first errors, and the ancestors of both. Of a run of like siblings the first two."""
    repeats = _repeats(spans)
    if len(spans) - len(repeats) <= WHOLE_TREE:
        return [index for index in range(len(spans)) if index not in repeats]
    by_time = sorted(
        (i for i, span in enumerate(spans) if span["on_path"] and i not in repeats),
        key=lambda i: -int(spans[i]["critical_ns"]),
    )
    wanted = {0, *by_time[:MOST_PATH_SPANS]}
    wanted.update([i for i, span in enumerate(spans) if span["status"] == "error"][:MOST_ERRORS])
    # In tree order the nearest row above with a smaller depth is the parent.
    parents: list[int] = []
    stack: list[int] = []
    for index, span in enumerate(spans):
        while stack and spans[stack[-1]]["depth"] >= span["depth"]:
            stack.pop()
        parents.append(stack[-1] if stack else -1)
        stack.append(index)
    context = set(wanted)
    for index in wanted:
        at, steps = parents[index], 0
        # A chain thousands deep has its nearest ancestors shown, not all of them.
        while at >= 0 and at not in context and steps < DEEPEST_INDENT:
            context.add(at)
            at, steps = parents[at], steps + 1
    return sorted(context)


def _repeats(spans: Sequence[Mapping[str, Any]]) -> set[int]:
    """Rows that only repeat the two above them: leaves of one name, one after another."""
    repeats: set[int] = set()
    begin = 0
    for index in range(1, len(spans) + 1):
        is_like = index < len(spans) and all(
            spans[index][key] == spans[begin][key] for key in ("depth", "service", "operation")
        )
        if is_like:
            continue
        # The last of the run may have children: then it is no leaf and stays.
        last = index - 1
        has_children = index < len(spans) and spans[index]["depth"] > spans[last]["depth"]
        run = range(begin + KEPT_OF_A_RUN, last if has_children else index)
        if len(run) >= KEPT_OF_A_RUN:
            repeats.update(i for i in run if spans[i]["status"] != "error")
        begin = index
    return repeats


def _row(span: Mapping[str, Any], axis: TimeAxis) -> tuple[RenderableType, ...]:
    name = Text(no_wrap=True, overflow="ellipsis")
    name.append("● " if span["on_path"] else "  ", "bold yellow")
    name.append("  " * min(span["depth"], DEEPEST_INDENT))
    if span["status"] == "error":
        name.append("✕ ", "bold red")
    name.append(name_of(span["service"]), "cyan")
    name.append(f" {name_of(span['operation'])}", "bold" if span["on_path"] else "")
    start, length, outside = axis.place(span)
    # A span too short to see still gets a mark.
    bar = Bar(axis.total_ns, start, max(start + length, start + axis.total_ns / 200),
              color="yellow" if span["on_path"] else "blue")  # fmt: skip
    held = duration(span["critical_ns"]) if span["on_path"] else ""
    return name, held, " ".join(filter(None, (outside, duration(span["duration_ns"])))), bar


def _more(count: int) -> Text:
    return Text(f"    … {count:,} more", "dim")
