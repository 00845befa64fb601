"""What an import did, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from longpole.cli.render.text import inert
from longpole.dashboards.figures import plural

NOUNS = {"traces": "span", "logs": "log record", "metrics": "metric point"}


def imported_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole import --json`."""
    counts = document["imported"]
    kept = ", ".join(plural(counts[name], noun) for name, noun in NOUNS.items() if counts[name])
    # A server does not say which of them it had already.
    done = "accepted" if document["repeated"] is None else "imported"
    parts: list[RenderableType] = [
        Text(f"{done} {kept or 'nothing'} from {plural(document['files'], 'file')}", "bold")
    ]
    if document["repeated"]:
        words = f"{plural(document['repeated'], 'record')} there already, not stored again"
        parts.append(Text(words))
    if document["rejected"]:
        parts.append(Text(f"rejected {plural(document['rejected'], 'record')}", "bold red"))
    if document["unknown"]:
        words = f"{plural(document['unknown'], 'record')}: no answer came, they may be stored"
        parts.append(Text(words, "bold red"))
    for row in document["reasons"]:
        parts.append(Text(f"  {inert(row['reason'])} ({row['count']:,} times)"))
    return Group(*parts)
