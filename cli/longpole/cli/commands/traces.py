"""`longpole traces`: find traces, newest first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("traces")
@filter_options
@click.option("--limit", default=20, show_default=True, metavar="COUNT", help="at most so many")
@from_option
@json_option
@client_options
def command(as_json: bool, limit: int, files: tuple[str, ...], **given: Any) -> None:
    """Find traces, newest first.

    QUERY is TraceQL in its simple form, for example
    '{ resource.service.name = "cart" && duration > 1s }'.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = {**asked_filters(given), "limit": [str(limit)]}
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.traces(asked)
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.traces import traces_text

    print_text(traces_text(document))
