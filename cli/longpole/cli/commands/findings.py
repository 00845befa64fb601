"""`longpole findings`: what is wrong in all matching traces, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from longpole.cli.exit_codes import end_with_bad_news
from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved

_GRAVEST_FIRST = ("critical", "warning", "info")


@click.command("findings")
@filter_options
@click.option(
    "--all",
    "with_info",
    is_flag=True,
    help="also findings of level info (always so with --from)",
)
@click.option(
    "--fail-on",
    type=click.Choice(_GRAVEST_FIRST),
    default=None,
    help="exit with code 1 if anything of this level or above is found",
)
@from_option
@json_option
@client_options
def command(
    as_json: bool, with_info: bool, fail_on: str | None, files: tuple[str, ...], **given: Any
) -> None:
    """What is wrong in all matching traces, the one to mend first in front.

    QUERY is TraceQL in its simple form, as for `longpole traces`. Equal faults of many traces
    are one entry; docs/findings.md lists what is looked for. Given a time, the window is also
    compared with the time right before it. With --json, one entry a line.
    """
    settings = resolved(given)
    from longpole.cli.output import print_document, print_note, print_text
    from longpole.cli.source import opened

    asked = dict(asked_filters(given))
    if with_info or files or fail_on == "info":
        asked["all"] = ["1"]
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.findings(asked)
    if fail_on is not None:
        bad = _GRAVEST_FIRST[: _GRAVEST_FIRST.index(fail_on) + 1]
        if any(finding["severity"] in bad for finding in document["findings"]):
            end_with_bad_news()
    if as_json:
        for finding in document["findings"]:
            print_document(finding)
        for notice in document["notices"]:
            print_note(f"note: {notice}")
        return
    from longpole.cli.render.findings import findings_text

    print_text(findings_text(document))
