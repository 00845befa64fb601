"""What questions are asked of: a store and its clock, and what is known of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from longpole.analyzer.alerting.board import FixedBoard, RuleBoard
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.reports.clocks_nearby import NearbyCalls
from longpole.dashboards.trace_views import TraceViews
from longpole.model.clock import Clock
from longpole.storage.ports import Exporter, SqlReader, StoreStatus, TraceReader


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting of the server as people read it."""

    flag: str
    value: str
    meaning: str


class Readable(TraceReader, Exporter, SqlReader, Protocol):
    """The ports that questions need."""

    def status(self) -> StoreStatus: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """`addresses` are those of the server that answers: grpc, http, web; empty without one.
    `own_metrics` gives its counters of what came in as text, `limits` are its settings."""

    store: Readable
    clock: Clock
    addresses: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    thresholds: Thresholds = Thresholds()
    own_metrics: Callable[[], bytes] = lambda: b""
    limits: Sequence[Limit] = ()
    views: TraceViews = field(default_factory=TraceViews)
    nearby: NearbyCalls = field(default_factory=NearbyCalls)
    board: RuleBoard = FixedBoard()

    def why_unknown(self) -> tuple[str, ...]:
        """What may be the reason that a trace is not here."""
        reasons = [
            "it was not sampled, or its exporter has not sent it yet",
            "it is older than the retention (--retain-days, --retain-bytes)",
            "it went to another server or data directory",
        ]
        if not self.store.status().is_replayed:
            reasons.insert(0, "the journal is still being replayed; ask again in a moment")
        return tuple(reasons)
