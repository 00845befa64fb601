"""`longpole services`: services and their operations, and the verdict of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("services")
@click.argument("service", required=False)
@click.option("--since", metavar="TEXT", help="spans that started within this time, e.g. 1h")
@from_option
@json_option
@client_options
def command(
    service: str | None, as_json: bool, since: str | None, files: tuple[str, ...], **given: Any
) -> None:
    """List services with their spans, errors and operations.

    With SERVICE, say where its time goes, what is wrong with it and what to do, over all
    traces that it took part in.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = {"since": [since]} if since else {}
    with opened(settings, [Path(file) for file in files]) as source:
        document = (
            source.services(asked) if service is None else source.service_verdict(service, asked)
        )
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.service_verdict import service_verdict_text
    from longpole.cli.render.services import services_text

    print_text(services_text(document) if service is None else service_verdict_text(document))
