"""Places: the services and edges that may be to blame, and what speaks against each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Place(NamedTuple):
    """A service, or with a `callee` the edge between two services."""

    service: str
    callee: str = ""

    @property
    def is_edge(self) -> bool:
        """Whether this is a call between two services."""
        return bool(self.callee)


class EvidenceKind(StrEnum):
    """What a piece of evidence was made of, the ones made of traces first."""

    LATENCY = "latency"  # time on the critical path
    ERRORS = "errors"  # failures that began there
    STRUCTURE = "structure"  # calls that are new, missing, more or fewer
    QUEUE = "queue"  # time between a message's sending and its handling
    LOGS = "logs"
    METRICS = "metrics"


OF_TRACES = (
    EvidenceKind.LATENCY,
    EvidenceKind.ERRORS,
    EvidenceKind.STRUCTURE,
    EvidenceKind.QUEUE,
)


class Example(NamedTuple):
    """A span that shows it."""

    trace_id: int
    span_id: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that changed at one place.

    `amount` ranks evidence of one kind and has the unit of that kind: nanoseconds a trace
    (latency, queue), failures a trace, calls a trace, records a span, or a robust z.
    `before` and `after` are the figures behind it, in the same unit (for metrics in that of
    the metric). `strength` from 0 to 1 is the part of everything of that kind that is
    explained by it.
    """

    kind: EvidenceKind
    place: Place
    operation: str
    amount: float
    before: float
    after: float
    words: str
    strength: float = 0.0
    examples: tuple[Example, ...] = ()


class Names:
    """Resolves what callers call each other: `peer.service` or an address that spans on the
    other side showed to be a certain service. A name that nobody answered to is no service."""

    def __init__(self, seen: Mapping[str, Mapping[str, int]], services: frozenset[str]) -> None:
        self._service_of = {
            peer: max(sorted(answered), key=lambda s: answered[s])
            for peer, answered in seen.items()
        }
        self._services = services

    def service(self, peer: str | None) -> str:
        """The service behind a peer's name; empty when it is none that sends spans."""
        if not peer:
            return ""
        if peer in self._services:
            return peer
        return self._service_of.get(peer, "")
