"""Rows of a query as a table of text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from longpole.cli.render.text import inert
from longpole.dashboards.figures import plural


def sql_text(document: Mapping[str, Any]) -> RenderableType:
    """`document` is that of `longpole sql --json`."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in document["columns"]:
        is_number = any(word in column["type"] for word in ("int", "double", "float", "decimal"))
        table.add_column(
            Text(inert(column["name"])), justify="right" if is_number else "left", overflow="fold"
        )
    for row in document["rows"]:
        table.add_row(*[Text(cell_text(value)) for value in row])
    return Group(table, Text(plural(len(document["rows"]), "row"), "dim"))


def cell_text(value: Any) -> str:
    """One cell; nothing is shown for NULL, nested values are shown as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return inert(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return inert(json.dumps(value, ensure_ascii=False))
    return str(value)
