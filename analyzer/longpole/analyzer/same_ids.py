"""Spans of one trace that share an id: which of them is meant by who names only the id.

Senders do give one id to several spans. A finding and an entry of a verdict name ids together with
a service and an operation, so the span that has both is the one; of several such, and of several
when none has them, the one with most time on the critical path, then the longest, then the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Namesake(NamedTuple):
    """One of the spans of an id: where it stands (a row, an index), what it is, and its times in
    nanoseconds."""

    at: int
    service: str
    operation: str
    critical_ns: int
    duration_ns: int


def meant_of(namesakes: Iterable[Namesake], service: str, operation: str) -> int:
    """Where the span stands that is meant, -1 when there is none."""

    def rank(one: Namesake) -> tuple[bool, int, int, int]:
        is_named = (one.service, one.operation) == (service, operation)
        return is_named, one.critical_ns, one.duration_ns, -one.at

    best = max(namesakes, key=rank, default=None)
    return best.at if best is not None else -1
