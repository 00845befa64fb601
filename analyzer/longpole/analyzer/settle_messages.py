"""What the server and its process for settling say to each other, over a pipe of their own.

    server                                   process
      ◀── ready ──────────────────────────────
      ─── round: clocks, options; tables ────▶
      ◀── explained: problems, log; tables ───   or: failed, and why

Tables go as Arrow streams, the rest pickled: both ends are one program, and nobody else has the
pipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection

import pyarrow as pa

from longpole.analyzer.settle_round import ExplainedRound, Round
from longpole.storage.ports import DerivedRows, WholeTraces

READY = "ready"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that the process would have logged."""

    level: str
    message: str


def send_round(pipe: Connection, given: Round) -> None:
    """Ask for a round to be explained."""
    whole = given.whole
    pipe.send((whole.traces, given.options, given.clocks, given.thresholds, given.is_hurried))
    _send_table(pipe, whole.spans)
    _send_table(pipe, whole.links)


def receive_round(pipe: Connection) -> Round:
    """The next round. EOFError: nobody will ask any more."""
    traces, options, clocks, thresholds, is_hurried = pipe.recv()
    spans, links = _receive_table(pipe), _receive_table(pipe)
    return Round(WholeTraces(spans, links, traces), options, clocks, thresholds, is_hurried)


def send_explained(pipe: Connection, explained: ExplainedRound, lines: list[LogLine]) -> None:
    """Answer a round."""
    tables = explained.rows.tables
    pipe.send((explained.problems, explained.not_looked_into, lines, tuple(tables)))
    for table in tables.values():
        _send_table(pipe, table)


def send_failure(pipe: Connection, lines: list[LogLine]) -> None:
    """Say that a round could not be explained."""
    pipe.send(((), 0, lines, None))


def receive_explained(
    pipe: Connection, given: Round
) -> tuple[ExplainedRound | None, list[LogLine]]:
    """The answer to `given`, None if it failed; and what is to be logged."""
    problems, not_looked_into, lines, names = pipe.recv()
    if names is None:
        return None, lines
    tables = {name: _receive_table(pipe) for name in names}
    rows = DerivedRows(given.whole.traces, tables)
    return ExplainedRound(rows, problems, not_looked_into), lines


def _send_table(pipe: Connection, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    pipe.send_bytes(memoryview(sink.getvalue()))


def _receive_table(pipe: Connection) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(pipe.recv_bytes())).read_all()
