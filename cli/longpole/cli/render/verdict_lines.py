"""The lines of a verdict: a label in a narrow column and words that wrap beside it."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text


def labelled(label: str, content: Text) -> RenderableType:
    """One of WHERE, WHY, DO with its words."""
    grid = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=6, style="bold cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(label, content)
    return grid
