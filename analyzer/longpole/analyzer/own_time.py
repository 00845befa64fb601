"""Own time that a circle of calls must not be blamed for: all that happens inside of the circle
lies below its calls, and one operation there may keep most of the trace for itself."""

from __future__ import annotations

from collections.abc import Collection

from longpole.analyzer.causes import Cause, CauseKind

# Findings that only say how services are wired: that costs the calls, not what is done in them.
SHAPES = frozenset({"cyclic_dependency"})
OWN_KINDS = frozenset({CauseKind.NO_CHILDREN, CauseKind.BETWEEN_CHILDREN})
MOST_OF_IT = 0.5  # of the root's duration


def is_most(cause: Cause, spans: Collection[int], total_ns: int) -> bool:
    """Whether what a cause holds in these spans is half of the whole time."""
    held = sum(ns for index, ns in cause.time_of.items() if index in spans)
    return held > 0 and held >= MOST_OF_IT * total_ns
