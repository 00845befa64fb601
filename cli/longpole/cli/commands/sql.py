"""`longpole sql`: read-only SQL over the views."""

from __future__ import annotations

import re
import sys
from typing import Any

import click

from longpole.cli.exit_codes import Refused
from longpole.cli.filters import json_option
from longpole.cli.options import client_options, resolved

_COMMENT_FIRST = re.compile(r"--(\s|[^\n=]*\n)")


class _SqlCommand(click.Command):
    """Takes a text that begins with an SQL comment for the query, not for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        texts = [text for text in args if _COMMENT_FIRST.match(text)]
        if texts and "--" not in args:
            args = [text for text in args if text not in texts] + ["--", *texts]
        return super().parse_args(ctx, args)


@click.command("sql", cls=_SqlCommand)
@click.argument("text", metavar="[SELECT]", required=False)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="print CSV (RFC 4180)")
@click.option(
    "--max-rows", default=10_000, show_default=True, metavar="COUNT", help="at most so many rows"
)
@click.option(
    "--timeout",
    "timeout_seconds",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="stop a query that takes longer",
)
@client_options
def command(
    text: str | None, as_json: bool, as_csv: bool, max_rows: int, timeout_seconds: float,
    **given: Any,
) -> None:  # fmt: skip
    """Run one SELECT over spans, span_events, span_links, logs, metric_points, traces,
    path_segments, findings and red.

    Attributes are columns: "http.route", or attr('http.route'). Without an argument the query
    is read from standard input.
    """
    settings = resolved(given)
    if as_json and as_csv:
        raise Refused("--json and --csv are two answers; choose one")
    if text is None or text == "-":
        text = sys.stdin.read()
    from longpole.cli.output import print_document, print_note, print_text
    from longpole.cli.source import opened

    with opened(settings) as source:
        document = source.sql(text, max_rows, timeout_seconds)
    if as_json:
        print_document(document)
        return
    if as_csv:
        from longpole.cli.render.csv_rows import csv_text

        click.echo(csv_text(document), nl=False)
    else:
        from longpole.cli.render.sql import sql_text

        print_text(sql_text(document))
    for notice in document["notices"]:
        print_note(notice)
    if document["is_truncated"]:
        print_note(f"there are more than {max_rows:,} rows; --max-rows shows more")
