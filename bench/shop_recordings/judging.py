"""Judges what Longpole says of a recording by what its label says was true.

Right is: the first entry of `longpole findings` over the faulty window names the detector, the
service and the operation of `faults.toml`. For faults that one trace shows, the first entry of the
verdict of the slowest affected trace may say it instead. Which traces are affected follows from the
label alone: those that began in the window, have the label's root operation, hold a span of its
service and operation, and are in its ledger, which has the traces in which the fault really acted.
Recordings older than the ledger do without that last condition, and then the slowest of a fault
that strikes one request in four may well be one that it spared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard
from bench.shop_recordings.receiver import SIGNALS

from longpole.analyzer.settle import settle_once
from longpole.dashboards.answers import Answers
from longpole.formats import files
from longpole.model.clock import Clock, ManualClock
from longpole.model.ids import join_trace_id, trace_id_hex
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.memory import MemoryStore

# When the question is asked; late enough that everything has come in.
AFTERWARDS_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class Said:
    """One statement of Longpole. Empty when it said nothing."""

    detector: str = ""
    service: str = ""
    operation: str = ""
    severity: str = ""
    words: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """What is compared with the label."""
        return self.detector, self.service, self.operation


@dataclass(frozen=True, slots=True)
class Affected:
    """A trace in which the fault acted."""

    duration_ns: int
    trace_id: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one recording. `by_verdict` is of the slowest affected trace, `by_median`
    of the median one, `trace_id` and `median_trace_id` are theirs; only for faults that one trace
    shows. `warnings` counts entries of level warning or above."""

    seed: int
    fault: str
    expected: tuple[str, str, str]
    by_findings: Said
    by_verdict: Said = field(default_factory=Said)
    trace_id: str = ""
    warnings: int = 0
    visible: str = ""
    by_median: Said = field(default_factory=Said)
    median_trace_id: str = ""
    affected: int = 0

    @property
    def is_right(self) -> bool:
        """See the module."""
        return self.expected in (self.by_findings.place, self.by_verdict.place)


@contextmanager
def store_of(folder: Path, clock: Clock) -> Iterator[MemoryStore]:
    """A store that holds the recording, every trace explained."""
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    try:
        for signal in SIGNALS:
            content = zstandard.decompress((folder / f"{signal}.pb.zst").read_bytes())
            for telemetry in files.read(f"{signal}.pb", content) if content else ():
                store.submit(telemetry, clock.now_unix_nano()).result()
        while settle_once(store, clock).traces:
            pass
        yield store
    finally:
        store.close()


def judged(folder: Path, fault: dict[str, Any] | None) -> Judged:
    """One recording; `fault` is its row of `faults.toml`, None for a healthy one."""
    label = json.loads((folder / "label.json").read_text())
    start, end = label["faulty"] if fault else label["healthy"]
    clock = ManualClock(end + AFTERWARDS_NS)
    with store_of(folder, clock) as store:
        answers = Answers(store, clock)
        document = answers.findings({"from": [str(start)], "to": [str(end)]})
        entries = document["findings"]
        first = _said(entries[0]) if entries else Said()
        warnings = sum(entry["severity"] != "info" for entry in entries)
        if fault is None:
            return Judged(label["seed"], "healthy", ("", "", ""), first, warnings=warnings)
        expected = (fault["detector"], fault["service"], fault["operation"])
        traces = affected(store, fault, label) if fault["visible"] == "trace" else []
        slowest = traces[-1].trace_id if traces else ""
        median = traces[len(traces) // 2].trace_id if traces else ""
        return Judged(
            label["seed"],
            fault["name"],
            expected,
            first,
            _first_of_verdict(answers, slowest),
            slowest,
            warnings,
            fault["visible"],
            _first_of_verdict(answers, median),
            median,
            len(traces),
        )


def affected(store: MemoryStore, fault: dict[str, Any], label: dict[str, Any]) -> list[Affected]:
    """The traces in which the fault acted by the words of its label, see the module, the shortest
    first. `fault` is its row of `faults.toml`."""
    start, end = label["faulty"]
    ledger = set(label["affected"]) if "affected" in label else None
    rows = store.find_traces(TraceQuery(time=TimeRange(start, end), limit=None)).traces
    found = []
    for row in rows.to_pylist():
        trace_id = join_trace_id(row["trace_hi"], row["trace_lo"])
        if row["root_operation"] != fault["root"] or not start <= row["start_unix_nano"] < end:
            continue
        if ledger is not None and trace_id_hex(trace_id) not in ledger:
            continue
        trace = store.trace(trace_id)
        if trace is not None and any(
            span.service_name == fault["service"] and span.name == fault["operation"]
            for span in trace.spans
        ):
            found.append(Affected(row["duration_ns"], trace_id_hex(trace_id)))
    return sorted(found, key=lambda one: (one.duration_ns, one.trace_id))


def _first_of_verdict(answers: Answers, trace_id: str) -> Said:
    lines = answers.trace(trace_id, {})["verdict"] if trace_id else []
    return _said(lines[0]) if lines else Said()


def _said(entry: dict[str, Any]) -> Said:
    return Said(
        entry.get("detector") or "",
        entry["service"],
        entry["operation"],
        entry.get("severity") or "",
        entry["reason"],
    )
