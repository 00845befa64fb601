"""The state of a store as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert
from longpole.dashboards.figures import moment, plural, size

_EXPIRED = "expired_by_"  # what retention took, on purpose


def status_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole status --json`."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _rows(document):
        table.add_row(label, value)
    parts: list[RenderableType] = [table]
    for reason, count in sorted(document["losses"].items()):
        if count and not reason.startswith(_EXPIRED):
            parts.append(Text(f"lost: {count:,} {inert(reason)}", "bold red"))
    for problem in document["problems"]:
        style = "bold red" if problem["severity"] == "loss" else "yellow"
        parts.append(Text(f"{problem['severity']}: {inert(problem['message'])}", style))
    return Group(*parts)


def _rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    addresses = document["addresses"]
    counts = document["record_counts"]
    replayed = "" if document["is_replayed"] else " (replaying the journal: not all is visible)"
    names = {"traces": "span", "logs": "log record", "metrics": "metric point"}
    rows = [
        ("server", "  ".join(f"{name} {at}" for name, at in addresses.items())
         or "none: read from the data directory"),
        ("kept", ", ".join(plural(counts.get(k, 0), noun) for k, noun in names.items()) + replayed),
        ("segments", f"{plural(document['segment_count'], 'file')}, "
         f"{size(document['segment_bytes'])}"),
        ("not sealed", f"{plural(document['hot_rows'], 'row')}, journal "
         f"{size(document['journal_bytes'])}"),
        ("traces", f"{document['settled_traces']:,} settled, "
         f"{document['pending_traces']:,} pending"),
        ("repeats", f"{plural(document['repeated_requests'], 'request')}, "
         f"{plural(document['duplicate_spans_dropped'], 'duplicate span')} dropped"),
        ("free disk", size(document["free_bytes"])),
    ]  # fmt: skip
    expired = {r.removeprefix(_EXPIRED): n for r, n in document["losses"].items()
               if r.startswith(_EXPIRED)}  # fmt: skip
    if expired:
        reasons = sorted({name.rpartition("_")[0] for name in expired})
        parts = (
            f"{plural(expired.get(f'{reason}_rows', 0), 'record')} by {reason.replace('_', ' ')} "
            f"({size(expired.get(f'{reason}_bytes', 0))})"
            for reason in reasons
        )
        rows.append(("expired", ", ".join(parts)))
    oldest, newest = document["oldest_unix_nano"], document["newest_unix_nano"]
    if oldest is not None and newest is not None:
        rows.append(("from", f"{moment(oldest)} to {moment(newest)} UTC"))
    return rows
