"""`longpole logs`: log records, and the patterns that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from longpole.cli.exit_codes import Refused
from longpole.cli.filters import from_option, json_option
from longpole.cli.options import client_options, resolved

LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
_VALUES = ("level", "text", "since", "from", "to", "trace", "span")


@click.command("logs")
@click.argument("text", required=False)
@click.option(
    "--service", multiple=True, metavar="NAME", help="records of this service; repeatable"
)
@click.option("--level", type=click.Choice(LEVELS), default=None, help="of this level or above")
@click.option("--trace", metavar="ID", default=None, help="records of this trace")
@click.option("--span", metavar="ID", default=None, help="records of this span")
@click.option("--since", metavar="TEXT", default=None, help="within this time, for example 1h")
@click.option("--from-time", "from", metavar="TEXT", default=None,
              help="at or after this time (RFC 3339, Unix, now-12h)")  # fmt: skip
@click.option("--to-time", "to", metavar="TEXT", default=None, help="before this time")
@click.option("--limit", default=100, show_default=True, metavar="COUNT",
              help="the newest so many")  # fmt: skip
@click.option("-r", "--reverse", is_flag=True, help="newest first")
@click.option(
    "--patterns", is_flag=True, help="what records come from one statement, and how often"
)
@click.option(
    "--baseline",
    metavar="DURATION",
    default=None,
    help="with --patterns: compare with so long before (default: equally long)",
)
@from_option
@json_option
@client_options
def command(
    as_json: bool,
    patterns: bool,
    reverse: bool,
    limit: int,
    service: tuple[str, ...],
    baseline: str | None,
    files: tuple[str, ...],
    **given: Any,
) -> None:
    """Log records, newest last as in a log file.

    TEXT is a part of the body, upper and lower case alike. With --patterns, records are grouped by
    the statement that they come from; with a window (--since, --from-time) each pattern is compared
    with the time before: new, more frequent, less frequent, gone. With --json, one record or
    pattern a line.
    """
    asked: dict[str, Sequence[str]] = {
        name: [value] for name in _VALUES if (value := given.pop(name)) is not None
    }
    if service:
        asked["service"] = list(service)
    settings = resolved(given)
    if baseline is not None and not patterns:
        raise Refused("--baseline goes with --patterns")
    from longpole.cli.source import opened

    with opened(settings, [Path(file) for file in files], is_single_traces=True) as source:
        if patterns:
            if baseline is not None:
                asked["baseline"] = [baseline]
            document = source.log_patterns(asked)
        else:
            asked |= {"limit": [str(limit)], "reverse": ["1" if reverse else "0"]}
            document = source.logs(asked)
    _shown(document, as_json, patterns, reverse)


def _shown(document: dict[str, Any], as_json: bool, patterns: bool, reverse: bool) -> None:
    from longpole.cli.output import print_document, print_note, print_text
    from longpole.cli.render.logs import logs_text, patterns_text

    if not as_json:
        print_text(patterns_text(document) if patterns else logs_text(document, reverse))
        return
    for record in document["patterns" if patterns else "logs"]:
        print_document(record)
    if document["is_truncated"] and not patterns:
        print_note("note: older records match too; --limit shows more")
    for notice in document["notices"]:
        print_note(f"note: {notice}")
