"""`longpole services`: services and their operations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("services")
@click.option("--since", metavar="TEXT", help="spans that started within this time, e.g. 1h")
@from_option
@json_option
@client_options
def command(as_json: bool, since: str | None, files: tuple[str, ...], **given: Any) -> None:
    """List services with their spans, errors and operations."""
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    with opened(settings, [Path(file) for file in files]) as source:
        document = source.services({"since": [since]} if since else {})
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.services import services_text

    print_text(services_text(document))
