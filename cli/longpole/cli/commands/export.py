"""`longpole export`: write telemetry out again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from longpole.cli.exit_codes import NotFound, Refused
from longpole.cli.filters import asked_filters, filter_options, from_option
from longpole.cli.options import client_options, resolved


@click.command("export")
@filter_options
@click.option(
    "--format",
    "form",
    default="otlp-json",
    show_default=True,
    type=click.Choice(
        ["otlp-json", "otlp-protobuf", "jaeger-json", "zipkin-json", "chrome", "speedscope"]
    ),
    help="otlp-json writes one request a line; chrome is for Perfetto, speedscope has the "
    "critical path as a profile",
)
@click.option(
    "--signal",
    default="traces",
    show_default=True,
    type=click.Choice(["traces", "logs", "metrics"]),
    help="what to export",
)
@click.option("--trace", "trace_id", metavar="ID", help="one trace only")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    metavar="COUNT",
    help="at most so many traces, newest first",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(), help="default: standard output")
@from_option
@client_options
def command(
    form: str, signal: str, trace_id: str | None, limit: int | None, output: str | None,
    files: tuple[str, ...], **given: Any,
) -> None:  # fmt: skip
    """Write traces, logs or metrics in a format that other tools read.

    QUERY and filters choose traces, as for `longpole traces`; without any, everything.
    """
    settings = resolved(given)
    if output is None and form == "otlp-protobuf" and sys.stdout.isatty():
        raise Refused("protobuf is not for a terminal; give -o FILE, or pipe it")
    from longpole.cli.output import print_note
    from longpole.cli.source import opened

    asked = {**asked_filters(given), "format": [form], "signal": [signal]}
    if trace_id is not None:
        asked["trace"] = [trace_id]
    if limit is not None:
        asked["limit"] = [str(limit)]
    with ExitStack() as stack:
        source = stack.enter_context(opened(settings, [Path(file) for file in files]))
        if trace_id is not None and not source.traces({"trace": [trace_id]})["traces"]:
            raise NotFound(f"there is no trace {trace_id}; nothing was written")
        chunks = stack.enter_context(source.export(asked))
        if output is None:
            written = _copy(chunks, sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
        else:
            written = _to_file(Path(output), chunks)
    print_note(f"{written:,} bytes written" + (f" to {output}" if output else ""))


def _copy(chunks: Iterator[bytes], write: Any) -> int:
    total = 0
    for chunk in chunks:
        write(chunk)
        total += len(chunk)
    return total


def _to_file(target: Path, chunks: Iterator[bytes]) -> int:
    """The file appears whole or not at all."""
    unfinished = target.with_name(target.name + ".tmp")
    try:
        with unfinished.open("wb") as file:
            total = _copy(chunks, file.write)
        os.replace(unfinished, target)
    except OSError as error:
        raise Refused(f"{target} cannot be written: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return total
