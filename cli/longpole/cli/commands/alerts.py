"""`longpole alerts`: what fires now."""

from __future__ import annotations

from typing import Any

import click

from longpole.cli.exit_codes import NoAnswer, end_with_bad_news
from longpole.cli.filters import json_option
from longpole.cli.options import client_options, resolved


@click.command("alerts")
@click.option("--firing", is_flag=True, help="only alerts that fire, none that wait")
@json_option
@client_options
def command(firing: bool, as_json: bool, **given: Any) -> None:
    """Which alerts are pending or firing. Exit code 1 if any fires.

    Asks the server that evaluates the rules (`longpole serve --rules FILES`). With --json, one
    alert a line.
    """
    settings = resolved(given)
    from longpole.cli.http_source import HttpSource
    from longpole.cli.output import print_document, print_note, print_text
    from longpole.cli.source import web_address

    url = web_address(settings)
    if url is None:
        raise NoAnswer(
            "no server runs on the data directory, so no rules are evaluated: start "
            "`longpole serve --rules FILES`, or give --url"
        )
    with HttpSource(url, settings.auth_token()) as source:
        document = source.alerts()
    if document["firing"]:
        end_with_bad_news()
    shown = [one for one in document["alerts"] if not firing or one["state"] == "firing"]
    if as_json:
        for alert in shown:
            print_document(alert)
        for rule in document["failing_rules"]:
            print_note(f"note: the rule {rule['name']} fails: {rule['error']}")
        return
    from longpole.cli.render.alerts import alerts_text

    print_text(alerts_text(document, shown))
