"""`longpole trace ID`: where the time of one trace went, why, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longpole.cli.exit_codes import NotFound, Refused
from longpole.cli.filters import from_option, json_option
from longpole.cli.options import client_options, resolved

if TYPE_CHECKING:
    from longpole.cli.question import Source

MOST_TRACES = 10_000


@click.command("trace")
@click.argument("trace_id", metavar="[ID]", required=False)
@from_option
@json_option
@click.option(
    "--overflow",
    type=click.Choice(["clip", "detach"]),
    default=None,
    help="children that outlive their parent: clip them, or detach them (default)",
)
@click.option(
    "--eps",
    metavar="NS",
    default=None,
    help="siblings that overlap by at most so many ns follow each other",
)
@click.option(
    "--tau",
    metavar="NS",
    default=None,
    help="how far a child may outlive its parent and still be waited for, in ns",
)
@click.option("--spans", is_flag=True, help="all spans: in --json, and in the tree")
@click.option(
    "--causal",
    is_flag=True,
    help="the path to the last end that its messages led to, with the time in queues",
)
@click.option("--end", metavar="SPAN", default=None, help="with --causal: to this span's end")
@click.option(
    "--no-context",
    is_flag=True,
    help="without what other runs, logs and metrics say (with --from it means reading all traces)",
)
@client_options
def command(
    trace_id: str | None,
    files: tuple[str, ...],
    as_json: bool,
    spans: bool,
    no_context: bool,
    causal: bool,
    end: str | None,
    **given: Any,
) -> None:
    """Explain one trace: where the time went, why, and what to do.

    ID is 32 or 16 hex digits. With --from and no ID, every trace of the files, without context.
    """
    options = {
        name: [value]
        for name in ("overflow", "eps", "tau")
        if (value := given.pop(name)) is not None
    }
    settings = resolved(given)
    if end is not None and not causal:
        raise Refused("--end names the end of a causal path; give --causal with it")
    if causal:
        options["causal"] = ["1"]
        options |= {} if end is None else {"end": [end]}
    if trace_id is None and not files:
        raise Refused("which trace? Give its ID, or files with --from; `longpole traces` lists ids")
    from longpole.cli.output import print_document, print_text
    from longpole.cli.source import opened

    if spans or not (as_json or causal):
        options["spans"] = ["1" if as_json else "tree"]
    # Context compares with all other traces; a file has it only once these are explained too.
    with_context = trace_id is not None and not no_context and not causal
    if with_context:
        options["context"] = ["1"]
    paths = [Path(file) for file in files]
    with opened(settings, paths, is_single_traces=not with_context) as source:
        ids = [trace_id] if trace_id is not None else all_traces(source)
        for number, identity in enumerate(ids):
            report = source.trace(identity, options)
            if as_json:
                print_document(report)
                continue
            from longpole.cli.render.trace import trace_text

            if number:
                click.echo()
            if causal:
                from longpole.cli.render.causal import causal_text

                print_text(causal_text(report))
                continue
            page = source.page_url(report["trace_id"])
            print_text(trace_text(report, page, all_spans=spans, is_stored=not files))


def all_traces(source: Source) -> Sequence[str]:
    """Ids of every trace of the files, oldest first."""
    from longpole.cli.file_source import FileSource

    assert isinstance(source, FileSource)  # without files an id was asked for above
    ids = source.trace_ids(MOST_TRACES + 1)
    if not ids:
        raise NotFound("there is no trace in there")
    if len(ids) > MOST_TRACES:
        raise Refused(
            f"the files hold more than {MOST_TRACES:,} traces; name one, or use critical-path"
        )
    return ids[::-1]
