"""Parts of one trace, from plain Python objects."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa

from longpole.model.columns import DERIVED_TABLES
from longpole.model.log import LogRecord
from longpole.model.span import Span
from longpole.storage.memory_tables import MemoryTables
from longpole.storage.memory_trace import KeptTrace
from longpole.storage.memory_views import MemoryViews
from longpole.storage.trace_parts import EVENTS, TraceVersion


class MemoryParts(MemoryTables):
    """`TraceParts` and `TraceTables` for a store that keeps traces and logs in these places."""

    _lock: threading.RLock
    _traces: dict[int, KeptTrace]
    _logs: list[LogRecord]
    _views: MemoryViews

    def trace_version(self, trace_id: int) -> TraceVersion | None:
        """See `trace_parts.TraceParts`."""
        with self._lock:
            kept = self._traces.get(trace_id)
            if kept is None:
                return None
            logs = sum(log.trace_id == trace_id for log in self._logs)
            return TraceVersion(kept.revision, not kept.unexplained, len(kept.arrivals), logs)

    def spans_of(self, trace_id: int, span_ids: Sequence[int]) -> tuple[Span, ...]:
        """See `trace_parts.TraceParts`."""
        with self._lock:
            kept, wanted = self._traces.get(trace_id), set(span_ids)
            spans = kept.in_order if kept else []
            return tuple(span for _, span in spans if span.span_id in wanted)

    def events_of_trace(self, trace_id: int) -> pa.Table:
        """See `trace_parts.TraceParts`."""
        with self._lock:
            kept = self._traces.get(trace_id)
            return kept.events if kept else EVENTS.empty_table()

    def settled_rows(self, trace_ids: Sequence[int], table: str) -> pa.Table:
        """See `trace_parts.TraceParts`."""
        with self._lock:
            found = (self._traces.get(trace_id) for trace_id in dict.fromkeys(trace_ids))
            rows = [row for kept in found if kept for row in kept.derived.get(table, ())]
        return pa.Table.from_pylist(rows, schema=DERIVED_TABLES[table])

    def view_of_trace(self, trace_id: int, revision: int) -> bytes | None:
        """See `trace_parts.TraceParts`."""
        with self._lock:
            return self._views.view(trace_id, revision)

    def put_view(self, trace_id: int, revision: int, view: bytes) -> None:
        """See `trace_parts.ViewShelf`."""
        with self._lock:
            self._views.put(trace_id, revision, view)
