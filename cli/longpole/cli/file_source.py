"""Answers from telemetry files, decoded into memory; nothing else is read or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from longpole.analyzer.clock_shift import CLOCK
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.settle import settle_once
from longpole.cli.exit_codes import end_with_bad_news
from longpole.cli.local_source import LocalSource
from longpole.cli.output import print_note
from longpole.cli.progress import progress
from longpole.cli.question import Asked
from longpole.cli.telemetry_files import content_of, named, telemetry_in
from longpole.dashboards.answers import Answers
from longpole.dashboards.figures import plural
from longpole.model.clock import SystemClock
from longpole.model.ids import join_trace_id, trace_id_hex
from longpole.model.problem import Severity
from longpole.model.query import TraceQuery
from longpole.model.telemetry import Telemetry
from longpole.storage.memory import MemoryStore

# Smaller files are read before a bar could be seen.
SHOWN_BYTES = 4 * 2**20
TRACES_A_ROUND = 500


class FileSource(LocalSource):
    """Asks a store that holds what the files held. `problems` are what was odd about the files
    themselves; the report of a trace names them after its own."""

    def __init__(self, answers: Answers, problems: Sequence[dict[str, Any]]) -> None:
        super().__init__(answers)
        self._problems = problems

    def trace_ids(self, limit: int) -> Sequence[str]:
        """Ids of up to `limit` traces as hex, newest first, without explaining any of them."""
        found = self._answers.store.find_traces(TraceQuery(limit=limit)).traces
        pairs = zip(found["trace_hi"].to_pylist(), found["trace_lo"].to_pylist(), strict=True)
        return [trace_id_hex(join_trace_id(hi, lo)) for hi, lo in pairs]

    def trace(self, trace_id: str, asked: Asked) -> dict[str, Any]:
        report = super().trace(trace_id, asked)
        return {**report, "problems": [*report["problems"], *self._problems]}


@contextmanager
def opened_files(
    files: Sequence[Path], is_single_traces: bool, thresholds: Thresholds
) -> Iterator[FileSource]:
    """The files as a source. `is_single_traces`: only traces will be asked for, one by one, so
    that explaining all of them beforehand would be work done twice.

    Records that cannot be read are left out and named on standard error; then the command
    answers from the others and ends with exit code 1.
    """
    clock = SystemClock()
    # Nothing more comes from a file, so its traces are quiet, and settled, at once.
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    left_out = 0
    problems: list[dict[str, Any]] = []
    for file in files:
        content = content_of(file)
        with progress(f"reading {named(file)}", None, len(content) >= SHOWN_BYTES):
            for telemetry in telemetry_in(file, content):
                store.submit(telemetry, clock.now_unix_nano()).result()
                left_out += telemetry.rejected
                problems += _problems(file, telemetry)
    if is_single_traces:
        store.leave_unexplained()
    else:
        waiting = store.pending_traces()
        history = ClockHistory()
        with progress("explaining traces", waiting, waiting > TRACES_A_ROUND) as advance:
            if waiting > TRACES_A_ROUND:
                # The first trace is to be read with the clocks that the last one knows of.
                history.add(host_calls(store.quiet_traces(waiting, CLOCK)))
            while done := settle_once(
                store, clock, limit=TRACES_A_ROUND, thresholds=thresholds, history=history
            ).traces:
                advance(done)
    for problem in problems:
        if problem["severity"] == Severity.LOSS:
            print_note(f"{problem['message']} ({plural(problem['count'], 'record')})")
    if left_out:
        print_note(f"the answer is without {plural(left_out, 'record')}")
        end_with_bad_news()
    try:
        yield FileSource(Answers(store, clock, thresholds=thresholds), problems)
    finally:
        store.close()


def _problems(file: Path, telemetry: Telemetry) -> list[dict[str, Any]]:
    """As the report of a trace lists problems; the spans may be of any trace of the file."""
    return [
        {
            "code": problem.code,
            "message": f"{named(file)}: {problem.message}",
            "severity": str(problem.severity),
            "count": problem.count,
            "span_ids": [],
        }
        for problem in telemetry.problems
    ]
