"""The flags that tell base from head, as parameters of the API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import click

from longpole.cli.exit_codes import Refused
from longpole.cli.filters import asked_filters
from longpole.cli.question import Asked
from longpole.cli.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

# Flag, parameter, help.
FLAGS = (
    ("--base", "base_q", "base is what this query matches"),
    ("--head", "head_q", "head is what this query matches"),
    ("--at", "at", "base is the time before this moment, head the time after it (with --window)"),
    ("--window", "window", "so much time on either side of --at; without it, of that long ago"),
    ("--base-from", "base_from", "base started at or after this time (RFC 3339 or Unix)"),
    ("--base-to", "base_to", "base started before this time"),
    ("--head-from", "head_from", "head started at or after this time"),
    ("--head-to", "head_to", "head started before this time"),
    ("--root", "root", "only traces whose root has this name"),
    ("--sample", "sample", "traces of each side that are used at most [default: 2000]"),
)


def side_options(command: F) -> F:
    """Adds the flags."""
    result = command
    for flag, name, words in reversed(FLAGS):
        result = click.option(flag, f"side_{name}", metavar="TEXT", help=words)(result)
    return click.option(
        "--by-attr", metavar="KEY=BASE,HEAD",
        help="base and head have these values, for example service.version=1.4.0,1.5.0",
    )(result)  # fmt: skip


def asked_sides(given: dict[str, Any]) -> dict[str, Sequence[str]]:
    """Parameters of the API, those of the filters included; takes them out of `given`."""
    asked = asked_filters(given)
    for _, name, _ in FLAGS:
        value = given.pop(f"side_{name}")
        if value is not None:
            asked[name] = [value]
    pair = given.pop("by_attr")
    if pair is not None:
        asked["base_attr"], asked["head_attr"] = _by_attribute(pair)
    return asked


def _by_attribute(pair: str) -> tuple[list[str], list[str]]:
    key, equals, values = pair.partition("=")
    sides = values.split(",")
    if not key or not equals or len(sides) != 2 or not all(sides):
        raise Refused(f"--by-attr: {pair[:80]!r} is not KEY=BASE,HEAD")
    if key.endswith("version"):
        # 1.10 is no number, whatever it looks like.
        sides = [side if side.startswith('"') else f'"{side}"' for side in sides]
    return [f"{key}={sides[0]}"], [f"{key}={sides[1]}"]


def compared(
    settings: Settings,
    asked: Asked,
    files: Sequence[str],
    base_files: Sequence[str],
    head_files: Sequence[str],
) -> dict[str, Any]:
    """The answer, wherever the two sides are. It explains the traces that it needs itself."""
    from longpole.cli.source import opened

    if not base_files and not head_files:
        with opened(settings, [Path(file) for file in files], is_single_traces=True) as source:
            return source.compare(asked)
    if files or not base_files or not head_files:
        raise Refused("files: give base and head, or one --from for both")
    from longpole.cli.file_source import opened_files

    with ExitStack() as stack:
        base, head = (
            stack.enter_context(
                opened_files([Path(file) for file in chosen], True, settings.thresholds)
            )
            for chosen in (base_files, head_files)
        )
        return base.compare_with(head, asked)
