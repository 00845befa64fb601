"""Prints answers: JSON documents for programs, text for people, notes on standard error."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from longpole.cli.render.text import inert
from longpole.cli.settings import environment

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
    """A report. Without a terminal: no colour, `COLUMNS` wide or else `PIPED_WIDTH`."""
    screen = console()
    if screen.is_terminal:
        screen.print(content)
        return
    with screen.capture() as capture:
        screen.print(content)
    # Tables fill their columns up; in a file or a diff that is noise.
    for line in capture.get().splitlines():
        click.echo(line.rstrip())


def print_plain(text: str) -> None:
    """Text as it is, not wrapped to the screen; the caller has made telemetry inert."""
    click.echo(text)


def piped_width(columns: str) -> int:
    """The width that `COLUMNS` asks for, when it is a number of use."""
    asked = int(columns) if columns.isascii() and columns.isdigit() and len(columns) < 6 else 0
    return max(NARROWEST, asked) if asked else PIPED_WIDTH


def console() -> Console:
    """Where reports go; its width is at least `NARROWEST`."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else piped_width(environment().get("COLUMNS", ""))
    made = Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if made.width < NARROWEST:
        made.width = NARROWEST
    return made
