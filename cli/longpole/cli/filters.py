"""The filters that `traces`, `critical-path` and `export` share, as flags and as parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

# Flag, parameter of the API, help.
FLAGS = (
    ("--service", "service", "spans of this service"),
    ("--operation", "operation", "spans of this name"),
    ("--min-duration", "min_duration", "traces that took at least so long, for example 1.5s"),
    ("--max-duration", "max_duration", "traces that took at most so long"),
    ("--since", "since", "spans that started within this time, for example 1h"),
    ("--from-time", "from", "spans that started at or after this time (RFC 3339, Unix, now-12h)"),
    ("--to-time", "to", "spans that started before this time"),
)


def filter_options(command: F) -> F:
    """Adds the query argument and the flags. Conditions on a span hold for one and the same."""
    return click.argument("query", required=False, default="")(filter_flags(command))


def filter_flags(command: F) -> F:
    """Adds the flags alone."""
    result = command
    for flag, name, words in reversed(FLAGS):
        result = click.option(flag, f"filter_{name}", metavar="TEXT", help=words)(result)
    result = click.option(
        "--attr", "filter_attr", multiple=True, metavar="KEY=VALUE",
        help="spans with this attribute; a number or true/false compares as such",
    )(result)  # fmt: skip
    return click.option("--error", "filter_error", is_flag=True, help="failed spans")(result)


def asked_filters(given: dict[str, Any]) -> dict[str, Sequence[str]]:
    """Parameters of the API; takes them out of `given`."""
    asked: dict[str, Sequence[str]] = {}
    query = given.pop("query", "")
    if query:
        asked["q"] = [query]
    for _, name, _ in FLAGS:
        value = given.pop(f"filter_{name}")
        if value is not None:
            asked[name] = [value]
    attributes = given.pop("filter_attr")
    if attributes:
        asked["attr"] = list(attributes)
    if given.pop("filter_error"):
        asked["error"] = ["1"]
    return asked


def from_option(command: F) -> F:
    """`--from FILE`: ask files instead of a store."""
    return click.option(
        "--from", "files", multiple=True, metavar="FILE", type=click.Path(),
        help="read this file (OTLP, Jaeger or Zipkin; - is standard input) instead of a store; "
        "may be given several times",
    )(command)  # fmt: skip


def json_option(command: F) -> F:
    """`--json`: the document itself, one a line."""
    return click.option("--json", "as_json", is_flag=True, help="print JSON, one document a line")(
        command
    )
