"""What the in-memory store keeps of one trace, and which of it is explained."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from longpole.model.span import Span
from longpole.storage.trace_parts import EVENTS


@dataclass(slots=True)
class KeptTrace:
    """What the store holds of one trace. Arrivals are monotonic nanoseconds."""

    spans: dict[object, tuple[int, Span]] = field(default_factory=dict)  # content: row id, span
    duplicates: int = 0
    arrivals: list[tuple[int, int]] = field(default_factory=list)  # row id, when
    revision: int = 0
    first_through: int = 0  # highest row id that revision 1 knew
    through: int = 0  # highest row id that the latest revision knew
    derived: dict[str, list[dict[str, object]]] = field(default_factory=dict)

    @property
    def late(self) -> int:
        if not self.revision:
            return 0
        return sum(row_id > self.first_through for row_id, _ in self.spans.values())

    @property
    def clocks(self) -> str | None:
        """What the latest revision said of the clocks; None when no derived row says."""
        rows = self.derived.get("traces", [])
        return (str(rows[0].get("clocks") or "")) if rows else None

    @property
    def in_order(self) -> list[tuple[int, Span]]:
        """Row ids and spans, by row id."""
        return sorted(self.spans.values(), key=lambda entry: entry[0])

    @property
    def events(self) -> pa.Table:
        """The events of all spans, in the columns of `trace_parts.EVENTS`."""
        rows = [(row_id, event) for row_id, span in self.in_order for event in span.events]
        return pa.table(
            [
                [row_id for row_id, _ in rows],
                [event.time_unix_nano for _, event in rows],
                [event.name for _, event in rows],
            ],
            schema=EVENTS,
        )

    @property
    def unexplained(self) -> list[int]:
        """When the spans arrived that no derived row accounts for."""
        if not self.revision:
            return [when for _, when in self.arrivals]
        return [when for row_id, when in self.arrivals if row_id > self.through]
