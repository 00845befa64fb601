"""What a window detector is: a rule that looks at many traces and their logs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.measured_pauses import MeasuredPause
from longpole.analyzer.findings.window.span_columns import SpanColumns
from longpole.model.finding import FindingSeverity


@dataclass(frozen=True, slots=True)
class Window:
    """`spans` are those of the traces that were asked for, `before` those of the time right
    before (empty where nothing was kept, or no beginning was given). `logs` and `logs_before`
    are error records as `FoundLogs` has them, with `row`: the row of their span in `spans`,
    -1 for none. `begin` and `end` are Unix nanoseconds, `before_ns` is how long the time before
    is that is covered by data, 0 for none. `measured` are long pauses that processes of these
    services measured themselves, in the window and near to it."""

    spans: SpanColumns
    before: SpanColumns
    logs: pa.Table
    logs_before: pa.Table
    begin: int
    end: int
    before_ns: int
    measured: tuple[MeasuredPause, ...] = ()

    @property
    def length_ns(self) -> int:
        """How long the window is, at least one nanosecond."""
        return max(1, self.end - self.begin)


@dataclass(frozen=True, slots=True)
class WindowFinding:
    """One fault that shows in a window. `rows` are the spans that show it, most telling first
    (rows of `Window.spans`); `excess_ns` is by how much each of them is too long, or empty:
    what of it is on critical paths is the saving. Where other spans than these are too long,
    `losers` are their rows. The other fields are those of `Finding`."""

    detector: str
    severity: FindingSeverity
    service: str
    operation: str
    reason: str
    action: str
    fingerprint: str
    rows: tuple[int, ...]
    excess_ns: tuple[int, ...] = ()
    losers: tuple[int, ...] = ()


WindowRule: TypeAlias = Callable[[Window, Thresholds], Iterable[WindowFinding]]


@dataclass(frozen=True, slots=True)
class WindowDetector:
    """As `Detector`, for a window. `identifier` may be that of a detector for single traces:
    then this is its other rule, and equal fingerprints are one fault."""

    identifier: str
    title: str
    rule_in_words: str
    look: WindowRule
