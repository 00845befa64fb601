"""Questions about one trace that do not need all of it: what a page asks again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from longpole.model import columns
from longpole.model.span import Span

# Of `TraceParts.events_of_trace`.
EVENTS = pa.schema([columns.SPAN_EVENTS.field(n) for n in ("row_id", "time_unix_nano", "name")])


@dataclass(frozen=True, slots=True)
class TraceVersion:
    """Which state a trace is in: two answers that are equal mean that nothing was added between
    them. `revision` and `is_settled` are those of `Trace`; `span_rows` and `log_rows` count what
    is stored, copies included."""

    revision: int
    is_settled: bool
    span_rows: int
    log_rows: int


class TraceParts(Protocol):
    """Parts of one trace; see `ports` for what holds of every method."""

    def trace_version(self, trace_id: int) -> TraceVersion | None:
        """The state of a trace, far cheaper than the trace; None for an unknown id."""
        ...

    def spans_of(self, trace_id: int, span_ids: Sequence[int]) -> tuple[Span, ...]:
        """The spans with these ids, whole, exact duplicates removed, by row id. Ids that the
        trace has not are left out; several spans may share one."""
        ...

    def events_of_trace(self, trace_id: int) -> pa.Table:
        """When which events happened, in the columns of `EVENTS`, by row id of the span, those
        of one span as sent; those of copies included."""
        ...

    def settled_rows(self, trace_ids: Sequence[int], table: str) -> pa.Table:
        """The rows that one of `columns.DERIVED_TABLES` has of these traces, each at its latest
        revision, in no order. None for a trace that is unknown or has never been settled."""
        ...

    def view_of_trace(self, trace_id: int, revision: int) -> bytes | None:
        """What `ViewShelf.put_view` was last given for that trace, if that was for this very
        revision and is still there, whole."""
        ...


class ViewShelf(TraceParts, Protocol):
    """Keeps the view of a big trace, so that who opens it first need not wait for it to be worked
    out. Only what can be made again belongs here: the shelf is bounded and forgets."""

    def put_view(self, trace_id: int, revision: int, view: bytes) -> None:
        """Keep the view of a revision in place of earlier ones of that trace. When there is no
        room, views that were put first are forgotten; one that is too big for the shelf, or that
        the disk refuses, is not kept, without a word. It goes when it is older than data may
        be, and is asked for by nobody once its trace is gone."""
        ...
