"""`longpole gaps`: where the critical path of matching traces has no span to explain it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved


@click.command("gaps")
@filter_options
@from_option
@json_option
@client_options
def command(as_json: bool, files: tuple[str, ...], **given: Any) -> None:
    """Where the critical path has no span to explain it, most time first.

    Gaps lie between a span's children, before the first or after the last of them, and between
    caller and callee. For the first ones it is told what was logged in them more often than
    outside, even without trace ids, and which metrics stood out: put spans there, or mend what
    these name. QUERY is TraceQL in its simple form, as for `longpole traces`.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = asked_filters(given)
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.gaps(asked)
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.gaps import gaps_text

    print_text(gaps_text(document))
