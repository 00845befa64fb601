"""`longpole status`: what is kept and how it is doing."""

from __future__ import annotations

from typing import Any

import click

from longpole.cli.filters import json_option
from longpole.cli.options import client_options, resolved


@click.command("status")
@json_option
@client_options
def command(as_json: bool, **given: Any) -> None:
    """Show what is kept, what is waiting, and every loss."""
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    with opened(settings) as source:
        document = source.status()
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.status import status_text

    print_text(status_text(document))
