"""`longpole map`: services and whom they call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("map")
@filter_options
@click.option(
    "--focus", metavar="NAME", help="only what is at most two calls away from this service or peer"
)
@from_option
@json_option
@client_options
def command(focus: str | None, as_json: bool, files: tuple[str, ...], **given: Any) -> None:
    """Who calls whom, what fails on the way, and where the time goes.

    Databases, queues and hosts that send no spans are on the map too, from the attributes of the
    calls to them. ON PATH is the share of the time on the critical path that was spent in what a
    call reached. QUERY is TraceQL in its simple form, as for `longpole traces`.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = asked_filters(given)
    if focus is not None:
        asked["focus"] = [focus]
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.service_map(asked)
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.service_map import map_text

    print_text(map_text(document))
