"""How far long work is, on standard error and only when that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from longpole.cli.render.text import inert, shortened

LONGEST_NAME = 40


@contextmanager
def progress(name: str, total: int | None, is_long: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar while the block runs; it calls what it gets with the steps it did. Without a
    `total` the bar only says that work goes on. Nothing is shown of what is not `is_long`."""
    if not is_long or not sys.stderr.isatty():
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn

    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn()]
    if total is not None:
        columns.append(MofNCompleteColumn())
    screen = Console(stderr=True, markup=False, highlight=False)
    with Progress(*columns, console=screen, transient=True) as bars:
        task = bars.add_task(shortened(inert(name), LONGEST_NAME), total=total)
        yield lambda steps: bars.advance(task, steps)
