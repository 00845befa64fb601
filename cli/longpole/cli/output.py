"""Prints answers: JSON documents for programs, text for people, notes on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from longpole.cli.render.text import inert

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

NARROWEST, PIPED_WIDTH = 40, 100


def print_document(document: Any) -> None:
    """One line of JSON. Escapes keep control characters of telemetry out of the terminal."""
    click.echo(json.dumps(document, ensure_ascii=True, separators=(",", ":")))


def print_note(text: str) -> None:
    """A remark for the person, on standard error."""
    click.echo(inert(text), err=True)


def print_text(content: RenderableType) -> None:
    """A report. Without a terminal: no colour, and a fixed width."""
    screen = console()
    if screen.is_terminal:
        screen.print(content)
        return
    with screen.capture() as capture:
        screen.print(content)
    # Tables fill their columns up; in a file or a diff that is noise.
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def console() -> Console:
    """Where reports go; its width is at least `NARROWEST`."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPED_WIDTH
    made = Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if made.width < NARROWEST:
        made.width = NARROWEST
    return made
