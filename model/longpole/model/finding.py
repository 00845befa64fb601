"""A finding: something about a trace, or about many, that somebody should look at or change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingSeverity(StrEnum):
    """How much it matters. `INFO` is worth knowing and never a warning."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one detector says of one trace.

    `detector` is the identifier that scripts rely on. `span_ids` are the evidence, most
    telling first. `saving_ns` is how much shorter the trace's critical path would be at best if
    it were mended, 0 when mending would not make it faster. `reason` says what was seen, with
    figures; `action` what to do. `fingerprint` is equal for the same fault in other traces,
    hours and processes.
    """

    detector: str
    severity: FindingSeverity
    trace_id: int
    span_ids: tuple[int, ...]
    service: str
    operation: str
    saving_ns: int
    reason: str
    action: str
    fingerprint: str
