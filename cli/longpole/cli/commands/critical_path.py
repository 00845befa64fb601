"""`longpole critical-path`: where the time of all matching traces went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from longpole.cli.exit_codes import Refused
from longpole.cli.filters import asked_filters, filter_options, from_option, json_option
from longpole.cli.options import client_options, resolved

DEFAULT_BY = "service,operation,label"


@click.command("critical-path")
@filter_options
@click.option(
    "--by",
    "--group-by",
    "group_by",
    default=DEFAULT_BY,
    show_default=True,
    metavar="NAMES",
    help="service, operation, label, edge (caller -> callee), call_path, peer_service, "
    "root_service, root_operation, call_path_id",
)
@click.option(
    "--explain",
    type=click.Choice(["mean", "tail", "variance"]),
    default=None,
    help="order the rows by what they add to the mean, to what slow traces (p95 to p99) take "
    "longer than typical ones, or to the variance",
)
@click.option("--tree", is_flag=True, help="call paths as a tree, with all below each")
@click.option("--folded", is_flag=True, help="folded stacks, for flamegraph.pl or inferno")
@click.option("--speedscope", is_flag=True, help="a profile for speedscope")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    default=None,
    metavar="FILE",
    help="write the stacks or the profile there; - is standard output",
)
@from_option
@json_option
@client_options
def command(
    as_json: bool,
    group_by: str,
    explain: str | None,
    tree: bool,
    folded: bool,
    speedscope: bool,
    output: str | None,
    files: tuple[str, ...],
    **given: Any,
) -> None:
    """Where the time of all matching traces went: seconds and shares that add up.

    QUERY is TraceQL in its simple form, as for `longpole traces`. SLOW in the table is what slow
    traces spend there beyond what typical traces of the same root operation do.
    """
    settings = resolved(given)
    if sum((tree, folded, speedscope, as_json and (folded or speedscope))) > 1:
        raise Refused("--tree, --folded and --speedscope exclude each other; choose one")
    is_tree = tree or folded or speedscope
    if is_tree and (explain is not None or group_by != DEFAULT_BY):
        raise Refused("a tree shows call paths; leave out --by and --explain")
    if output is not None and not (folded or speedscope):
        raise Refused("-o is for --folded and --speedscope; > FILE redirects the others")
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    asked = asked_filters(given)
    if is_tree:
        asked["tree"] = ["1"]
    else:
        asked["group_by"] = [group_by]
        if explain is not None:
            asked["explain"] = [explain]
    with opened(settings, [Path(file) for file in files]) as source:
        document = source.critical_path(asked)
    if folded or speedscope:
        _write(_stacks(document) if folded else _profile(document), output)
    elif as_json:
        print_document(document)
    elif tree:
        from longpole.cli.render.call_tree import call_tree_text

        print_text(call_tree_text(document))
    else:
        from longpole.cli.render.critical_path import critical_path_text

        print_text(critical_path_text(document))


def _stacks(document: Mapping[str, Any]) -> str:
    from longpole.cli.render.folded_stacks import folded_stacks

    return folded_stacks(document)


def _profile(document: Mapping[str, Any]) -> str:
    import json

    from longpole.cli.render.speedscope import speedscope_profile

    return json.dumps(speedscope_profile(document), ensure_ascii=True, separators=(",", ":")) + "\n"


def _write(content: str, output: str | None) -> None:
    if output in (None, "-"):
        click.echo(content, nl=False)
        return
    try:
        Path(str(output)).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Refused(f"cannot write {output}: {error.strerror or error}") from None
