"""`longpole compare`: what changed between two times, versions, filters or files, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from longpole.cli.exit_codes import Refused
from longpole.cli.filters import filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved
from longpole.cli.settings import Settings
from longpole.cli.two_sides import asked_sides, compared, side_options


@click.command("compare")
@filter_options
@side_options
@click.option(
    "--statistic",
    type=click.Choice(["mean", "p50", "p95", "p99"]),
    default="mean",
    show_default=True,
    help="compare the mean of all traces, or of those around a percentile",
)
@click.option("--traces", "pair", nargs=2, type=str, default=None, metavar="ID ID",
              help="two traces, or one and `typical`: others of the same request")  # fmt: skip
@click.option("--base-file", "base_files", multiple=True, metavar="FILE", type=click.Path(),
              help="base is what this file holds")  # fmt: skip
@click.option("--head-file", "head_files", multiple=True, metavar="FILE", type=click.Path(),
              help="head is what this file holds")  # fmt: skip
@from_option
@json_option
@client_options
def command(
    as_json: bool,
    statistic: str,
    files: tuple[str, ...],
    base_files: tuple[str, ...],
    head_files: tuple[str, ...],
    pair: tuple[str, str] | None,
    **given: Any,
) -> None:
    """What changed from base to head: terms that add up exactly, and what explains them.

    QUERY and the filters hold for both sides. What tells them apart:

    \b
      --at 2026-01-31T12:00:00Z --window 30m      before and after a deploy
      --window 15m                                the last 15 minutes and those before
      --base-from … --base-to … --head-from …     two times
      --base '{ … }' --head '{ … }'               two queries
      --by-attr service.version=1.4.0,1.5.0       two versions
      --base-file FILE --head-file FILE           two files
      --traces ID ID                              two traces
      --traces ID typical                         one trace, and others of its request

    What moves by chance is said to be noise.
    """
    settings = resolved(given)
    if pair is not None:
        if base_files or head_files or statistic != "mean" or asked_sides(given):
            raise Refused("--traces names both sides; leave out what else tells them apart")
        _compare_traces(settings, pair, files, as_json)
        return
    asked = {**asked_sides(given), "statistic": [statistic]}
    document = compared(settings, asked, files, base_files, head_files)
    from longpole.cli.output import print_document, print_text

    if as_json:
        print_document(document)
        return
    from longpole.cli.render.compare import compare_text

    print_text(compare_text(document))


def _compare_traces(
    settings: Settings, pair: tuple[str, str], files: Sequence[str], as_json: bool
) -> None:
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    with opened(settings, [Path(file) for file in files], is_single_traces=True) as source:
        document = source.compare_traces({"a": [pair[0]], "b": [pair[1]]})
    if as_json:
        print_document(document)
        return
    from longpole.cli.render.compare_traces import compare_traces_text

    print_text(compare_traces_text(document))
