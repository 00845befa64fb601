"""`longpole critical-path`: where the time of all matching traces went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("critical-path")
@filter_options
@click.option(
    "--group-by",
    default="service,operation,label",
    show_default=True,
    metavar="NAMES",
    help="service, operation, label, peer_service, root_service, root_operation, call_path_id",
)
@from_option
@json_option
@client_options
def command(as_json: bool, group_by: str, files: tuple[str, ...], **given: Any) -> None:
    """Where the time of all matching traces went: seconds and shares that add up.

    QUERY is TraceQL in its simple form, as for `longpole traces`.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = {**asked_filters(given), "group_by": [group_by]}
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.critical_path(asked)
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.critical_path import critical_path_text

    print_text(critical_path_text(document))
