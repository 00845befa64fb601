"""`longpole demo`: a server and the sample shop, a fault in it, and what Longpole says."""

from __future__ import annotations

from typing import Any

import click

from longpole.cli.filters import json_option
from longpole.cli.options import server_options

DEFAULT_FAULT = "payment-slow-query"


@click.command("demo")
@click.option(
    "--fault",
    default=DEFAULT_FAULT,
    show_default=True,
    metavar="NAME",
    help="what breaks; --list-faults shows the names",
)
@click.option("--list-faults", is_flag=True, help="show what can break, and end")
@click.option(
    "--rate",
    type=click.FloatRange(0, 1000, min_open=True),
    default=3.0,
    show_default=True,
    metavar="RATE",
    help="customers a second, on the average",
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="stop so long after the shop opened, the story told; by default at Ctrl-C",
)
@json_option
@server_options
def command(
    fault: str, list_faults: bool, rate: float, duration: float | None, as_json: bool, **given: Any
) -> None:
    """Start a server and the sample shop, break something, and explain it.

    Prints the web address, a first report, what changed while the fault was on, and the report
    of the slowest trace it affected; then goes on until Ctrl-C or --duration. Everything it
    started ends with it. Without --data-dir the data goes to a folder that is deleted at the
    end; ports that nobody chose and that are taken are replaced by free ones.

    With --json the last line has the truth about the fault (`label`) beside the `verdict`.
    """
    from longpole.cli.demo_run import Request, list_all_faults, run

    if list_faults:
        list_all_faults(as_json)
        return
    run(Request(fault, rate, duration, as_json, given))
