"""The ledger: in which traces a fault really acted, as the instances themselves tell.

A label says when a fault was on and where; of the requests of that time it may have struck one in
five. Which ones can't be seen in the telemetry without judging it, so what judges a tool reads the
ledger, and no tool does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from shop.faults.catalogue import CATALOGUE

MOST_TRACES = 100_000


class Ledger:
    """Trace ids by fault, 32 hexadecimal digits each; safe between threads. Of one fault the
    first `MOST_TRACES` are kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces: dict[str, dict[str, None]] = {}

    def begin(self, fault: str) -> None:
        """The fault is switched on: what it did before is forgotten."""
        with self._lock:
            self._traces[fault] = {}

    def note(self, acted: Mapping[str, Sequence[str]]) -> None:
        """An instance has told; a trace that is known stays where it is. Faults that are not in
        the catalogue are ignored."""
        with self._lock:
            for fault, trace_ids in acted.items():
                if fault in CATALOGUE:
                    traces = self._traces.setdefault(fault, {})
                    traces.update(dict.fromkeys(trace_ids[: MOST_TRACES - len(traces)]))

    def traces_of(self, fault: str) -> list[str]:
        """In the order in which they were told; empty for a fault that never acted."""
        with self._lock:
            return list(self._traces.get(fault, ()))
