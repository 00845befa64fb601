"""The three kinds of telemetry."""

from __future__ import annotations

from enum import StrEnum


class Signal(StrEnum):
    """What a request carries. `code` is the byte that a journal frame stores."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"

    @property
    def code(self) -> int:
        """1 traces, 2 logs, 3 metrics: part of the journal's format, never renumbered."""
        return {"traces": 1, "logs": 2, "metrics": 3}[self.value]

    @classmethod
    def from_code(cls, code: int) -> Signal:
        """The inverse of `code`. Raises ValueError for an unknown one."""
        for signal in cls:
            if signal.code == code:
                return signal
        raise ValueError(f"unknown signal code {code}")
