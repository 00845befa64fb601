"""`longpole import`: bring in files, to a server or straight into a data directory."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longpole.cli.exit_codes import Exit
from longpole.cli.filters import json_option
from longpole.cli.options import client_options, resolved

if TYPE_CHECKING:
    from longpole.cli.destination import Destination, Fate
    from longpole.cli.request_pieces import Piece
    from longpole.model.telemetry import Telemetry


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...")
@json_option
@client_options
def command(files: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Bring in telemetry files: OTLP JSON or protobuf, Jaeger JSON, Zipkin v2 JSON; gzip and
    zstd are fine; - is standard input.

    They go to the server that holds the data directory (or --url), else into the directory
    itself. Exit code 1 when anything was rejected or its fate is unknown.
    """
    settings = resolved(given)
    from longpole.cli.destination import opened_destination

    tally = Tally(len(files))
    with opened_destination(settings) as destination:
        for name in files:
            _import_file(Path(name), destination, tally)
    document = tally.document()
    from longpole.cli.output import print_document, print_text

    if as_json:
        print_document(document)
    else:
        from longpole.cli.render.imported import imported_text

        print_text(imported_text(document))
    if document["rejected"] or document["unknown"]:
        sys.exit(Exit.BAD_NEWS)


class Tally:
    """Adds up what became of the records."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._imported: Counter[str] = Counter()
        self._rejected = self._unknown = self._repeated = 0
        self._is_told_repeats = True
        self._reasons: Counter[str] = Counter()

    def decoded(self, telemetry: Telemetry) -> None:
        """What the file itself lost on the way in."""
        self._rejected += telemetry.rejected
        for problem in telemetry.problems:
            self._reasons[problem.message] += problem.count

    def took(self, piece: Piece, fate: Fate) -> None:
        """The fate of one piece."""
        self._imported[piece.signal.value] += fate.imported
        self._rejected += fate.rejected
        self._unknown += fate.unknown
        if fate.repeated is None:
            self._is_told_repeats = False
        else:
            self._repeated += fate.repeated
        if fate.reason:
            self._reasons[fate.reason] += fate.rejected + fate.unknown

    def document(self) -> dict[str, Any]:
        """The JSON of the command."""
        return {
            "files": self._files,
            "imported": {name: self._imported[name] for name in ("traces", "logs", "metrics")},
            "repeated": self._repeated if self._is_told_repeats else None,
            "rejected": self._rejected,
            "unknown": self._unknown,
            "reasons": [
                {"reason": reason, "count": count} for reason, count in self._reasons.most_common()
            ],
        }


def _import_file(file: Path, destination: Destination, tally: Tally) -> None:
    from longpole.cli.progress import progress
    from longpole.cli.request_pieces import pieces
    from longpole.cli.telemetry_files import content_of, named, telemetry_in

    everything = list(telemetry_in(file, content_of(file)))
    total = sum(telemetry.accepted for telemetry in everything)
    with progress(named(file), total) as advance:
        for telemetry in everything:
            tally.decoded(telemetry)
            for piece in pieces(telemetry):
                fate = destination.take(piece)
                tally.took(piece, fate)
                advance(piece.records)
