"""`longpole what-if`: what a change of one operation would do, and which would do most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("what-if")
@filter_options
@click.option(
    "--change",
    "changes",
    multiple=True,
    metavar="'SERVICE/OPERATION: CHANGE'",
    help="what to suppose; given several times, all of it together",
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=5_000, show_default=True,
    help="so many of the newest matching traces",
)  # fmt: skip
@from_option
@json_option
@client_options
def command(
    as_json: bool, changes: tuple[str, ...], limit: int, files: tuple[str, ...], **given: Any
) -> None:
    """How long traces would take if an operation were faster, capped, cached or run in parallel.

    Without --change: every operation by what making it faster could gain.

    \b
    CHANGE is one of
      -50%, +20%      its own time; `whole -50%` with all that it calls
      -30ms, +30ms    each call so much shorter or longer
      cap 50ms        no call takes longer; `own cap 50ms` no more time of its own
      removed         it takes no time
      cached 80%      so many of the calls, drawn by their ids, take no time
      parallel        calls that one parent makes begin with the first of them
      once            of such calls only the last remains, without the pauses between
    In SERVICE and OPERATION a * stands for anything. QUERY and filters choose the traces, as
    for `longpole traces`.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = {**asked_filters(given), "limit": [str(limit)]}
    if changes:
        asked["change"] = list(changes)
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.what_if(asked)
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.what_if import what_if_text

    print_text(what_if_text(document))
