"""`longpole root-cause`: what changed in a window, and which service or call is to blame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("root-cause")
@filter_options
@click.option(
    "--baseline-from",
    metavar="TEXT",
    default=None,
    help="compare with what began at or after this time (default: equally long right before)",
)
@click.option("--baseline-to", metavar="TEXT", default=None, help="and before this time")
@from_option
@json_option
@client_options
def command(
    as_json: bool,
    baseline_from: str | None,
    baseline_to: str | None,
    files: tuple[str, ...],
    **given: Any,
) -> None:
    """Which service or call is to blame for what changed in a window.

    Give the window with --since, or --from-time and --to-time. It is compared with the stretch
    of equal length right before, unless --baseline-from and --baseline-to name another. Services
    and calls are ranked by separate evidence; "no clear cause" when none stands out. QUERY is
    TraceQL in its simple form, as for `longpole traces`.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = dict(asked_filters(given))
    for name, value in (("baseline_from", baseline_from), ("baseline_to", baseline_to)):
        if value is not None:
            asked[name] = [value]
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.root_cause(asked)
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.root_cause import root_cause_text

    print_text(root_cause_text(document))
