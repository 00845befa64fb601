"""Dark time as text: where no span explains the path, how much of it, and what happened then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.context import move_words, nearby_words
from longpole.cli.render.text import inert, name_of
from longpole.dashboards.figures import duration, plural, share

MOST_GAPS = 15


def gaps_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `/api/v1/gaps`."""
    return Group(*_parts(document))


def _parts(document: Mapping[str, Any]) -> Iterator[RenderableType]:
    gaps, coverage = document["gaps"], document["coverage"]
    facts = f"{coverage['matched']:,} matched, {coverage['used']:,} used"
    if not coverage["matched"]:
        yield Text("No trace matches.", "bold")
    elif not gaps:
        yield Text("Every millisecond of the path has a span that explains it.", "bold")
    else:
        part = share(document["dark_ns"] / document["duration_sum_ns"])
        head = f"{duration(document['dark_ns'])} of the critical path ({part}) has no span"
        yield Text(head, "bold")
    yield Text(facts, "dim")
    for gap in gaps[:MOST_GAPS]:
        yield Text()
        yield _gap(gap)
    if len(gaps) > MOST_GAPS:
        yield Text()
        yield Text(f"… {len(gaps) - MOST_GAPS:,} more; --json has all of them", "dim")
    for notice in document["notices"]:
        yield Text(f"note: {inert(notice)}", "dim")


def _gap(gap: Mapping[str, Any]) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=7, justify="right", no_wrap=True)
    grid.add_column(width=6, style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    where = Text(f"{name_of(gap['service'])} › {name_of(gap['operation'])}", "bold")
    where.append(f", {inert(gap['where'])}", "not bold")
    grid.add_row(duration(gap["critical_ns"]), share(gap["share"]), where)
    often = f"{plural(gap['count'], 'gap')} in {plural(gap['trace_count'], 'trace')}"
    longest = gap["examples"][0]
    grid.add_row("", "", Text(
        f"{often}, the longest {duration(gap['longest_ns'])} in trace {longest['trace_id']}", "dim"
    ))  # fmt: skip
    for one in gap["logs"]:
        grid.add_row("", "log", nearby_words(one))
    for one in gap["metrics"]:
        grid.add_row("", "metric", move_words(one))
    return grid
