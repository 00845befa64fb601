"""Services as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert, shortened
from longpole.dashboards.figures import moment

MOST_OPERATIONS = 5


def services_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole services --json`."""
    if not document["services"]:
        return Text("No service sent spans in that time.")
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("SERVICE", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("SPANS", justify="right", no_wrap=True)
    table.add_column("ERRORS", justify="right", no_wrap=True)
    table.add_column("LAST SEEN (UTC)", no_wrap=True)
    table.add_column("OPERATIONS", overflow="fold", ratio=3)
    for service in document["services"]:
        operations = [shortened(inert(name), 40) for name in service["operations"]]
        words = ", ".join(operations[:MOST_OPERATIONS])
        if len(operations) > MOST_OPERATIONS:
            words += f" … {len(operations) - MOST_OPERATIONS:,} more"
        table.add_row(
            Text(inert(service["name"]), "cyan"),
            f"{service['span_count']:,}",
            f"{service['error_count']:,}",
            moment(service["last_seen_unix_nano"])[:-4],
            Text(words),
        )
    return table
