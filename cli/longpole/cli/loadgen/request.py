"""What a generator of requests gives: the message, its placeholders, and how its times hang
together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from longpole.cli.loadgen.placeholders import Kind, Placeholders


@dataclass(slots=True)
class Times:
    """For each time of a request, in the order of its placeholders: the trace (or other unit)
    that it belongs to, and nanoseconds from the start of that."""

    units: int = 0
    owners: dict[Kind, list[int]] = field(default_factory=lambda: {Kind.START: [], Kind.END: []})
    offsets: dict[Kind, list[int]] = field(default_factory=lambda: {Kind.START: [], Kind.END: []})

    def at(self, kind: Kind, offset_ns: int) -> None:
        """The next placeholder of that kind is so long after the start of the open unit."""
        self.owners[kind].append(self.units)
        self.offsets[kind].append(offset_ns)

    def next_trace(self) -> None:
        """What follows belongs to another unit."""
        self.units += 1


@dataclass(frozen=True, slots=True)
class MadeRequest:
    """An export request of so many records."""

    message: Any
    made: Placeholders
    times: Times
    records: int
