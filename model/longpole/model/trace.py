"""A trace: all spans that share a trace id, and what storage knows about the set."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.model.span import Span


@dataclass(frozen=True, slots=True)
class Trace:
    """All stored spans of one trace, exact duplicates removed, in no promised order.

    `revision` is 0 while the trace was never settled, then counts from 1. `is_settled` says
    whether the spans here are the ones that the latest revision explained. `late` counts the
    spans that arrived after the first revision. `clocks` is what the latest revision said of
    the clocks (`columns.TRACES`), None when no derived row says.
    """

    trace_id: int
    spans: tuple[Span, ...]
    revision: int = 0
    is_settled: bool = False
    late: int = 0
    clocks: str | None = None
