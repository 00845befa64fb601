"""What was wrong with the data: odd telemetry is reported, never raised.

A `Problem` travels beside the answer it belongs to. Exceptions are for things that stop an
operation; a trace with a cycle in it stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem costs the reader."""

    INFO = "info"  # repaired, nothing lost
    WARNING = "warning"  # kept, but a reader should know
    LOSS = "loss"  # something sent is not kept


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of oddity, how often it was seen, and where for example.

    `code` is a stable identifier in snake_case (`invalid_trace_id`, `parent_cycle`);
    `message` is a whole English sentence that says what was done about it.
    """

    code: str
    message: str
    severity: Severity = Severity.WARNING
    count: int = 1
    span_ids: tuple[int, ...] = field(default=())


class LongpoleError(Exception):
    """Base of every exception of ours. The message says what happened, what was kept, and
    which setting to turn."""
