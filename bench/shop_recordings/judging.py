"""Judges what Longpole says of a recording by what its label says was true.

Right is: the first entry of `longpole findings` over the faulty window names the detector, the
service and the operation of `faults.toml`. For faults that one trace shows, the first entry of the
verdict of the slowest affected trace may say it instead. Which trace that is follows from the label
alone: the longest one that began in the window, has the label's root operation and holds a span of
its service and operation.
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
class Judged:
    """What was said of one recording. `by_verdict` is of the slowest affected trace, and only
    for faults that one trace shows; `warnings` counts entries of level warning or above."""

    seed: int
    fault: str
    expected: tuple[str, str, str]
    by_findings: Said
    by_verdict: Said = field(default_factory=Said)
    trace_id: str = ""
    warnings: int = 0
    visible: str = ""

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
        verdict, trace_id = Said(), ""
        if fault["visible"] == "trace":
            trace_id = _slowest_affected(store, fault, start, end)
            if trace_id:
                report = answers.trace(trace_id, {})
                lines = report["verdict"]
                verdict = _said(lines[0]) if lines else Said()
        return Judged(
            label["seed"],
            fault["name"],
            expected,
            first,
            verdict,
            trace_id,
            warnings,
            fault["visible"],
        )


def _said(entry: dict[str, Any]) -> Said:
    return Said(
        entry.get("detector") or "",
        entry["service"],
        entry["operation"],
        entry.get("severity") or "",
        entry["reason"],
    )


def _slowest_affected(store: MemoryStore, fault: dict[str, Any], start: int, end: int) -> str:
    found = store.find_traces(TraceQuery(time=TimeRange(start, end), limit=None)).traces
    longest, chosen = -1, ""
    for row in found.to_pylist():
        if row["root_operation"] != fault["root"] or not start <= row["start_unix_nano"] < end:
            continue
        trace = store.trace(join_trace_id(row["trace_hi"], row["trace_lo"]))
        if trace is None or row["duration_ns"] <= longest:
            continue
        if any(
            span.service_name == fault["service"] and span.name == fault["operation"]
            for span in trace.spans
        ):
            longest, chosen = row["duration_ns"], trace_id_hex(trace.trace_id)
    return chosen
