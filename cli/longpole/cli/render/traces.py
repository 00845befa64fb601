"""A list of traces as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, name_of, sentence_of
from longpole.dashboards.figures import duration, moment


def traces_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole traces --json`."""
    parts: list[RenderableType] = []
    for row in document["traces"]:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(moment(row["start_unix_nano"])[:-4], "dim")
        line.append(f"  {row['trace_id']}  ", "cyan")
        line.append(f"{duration(row['duration_ns']):>8}", "bold")
        line.append(f"  {row['span_count']:,} spans")
        if row["error_count"]:
            line.append(f"  ✕ {row['error_count']:,}", "bold red")
        parts.append(line)
        words = f"{name_of(row['root_service'])} · {name_of(row['root_operation'])}"
        detail = Table.grid(padding=(0, 0), pad_edge=False)
        detail.add_column(width=2)
        detail.add_column(overflow="fold")
        text = Text(words)
        if row["verdict"]:
            text.append(f": {sentence_of(row['verdict'])}", "dim")
        if not row["is_settled"]:
            text.append("  (not settled)", "dim italic")
        detail.add_row("", text)
        parts.append(detail)
    if not document["traces"]:
        parts.append(Text("No trace matches."))
    if document["is_truncated"]:
        parts.append(Text("More match; --limit shows more.", "dim"))
    parts += [Text(f"note: {inert(notice)}", "dim") for notice in document["notices"]]
    return Group(*parts)
