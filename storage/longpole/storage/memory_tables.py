"""Whole traces as tables, from plain Python objects."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pyarrow as pa

from longpole.formats.rows import telemetry_of_spans
from longpole.model.log import LogRecord
from longpole.storage.memory_query import sql_type, widest
from longpole.storage.memory_trace import KeptTrace


class MemoryTables:
    """`TraceTables` for a store that keeps traces and logs in these places."""

    _lock: threading.RLock
    _traces: dict[int, KeptTrace]
    _logs: list[LogRecord]

    def trace_tables(self, trace_ids: Sequence[int]) -> Mapping[str, pa.Table]:
        """See `trace_tables.TraceTables`."""
        with self._lock:
            known = sorted(set(trace_ids) & self._traces.keys())
            spans = [span for trace_id in known for _, span in self._traces[trace_id].in_order]
        return telemetry_of_spans(spans).tables

    def attribute_places(self) -> Mapping[tuple[str, str], str]:
        """See `trace_tables.TraceTables`."""
        types: dict[tuple[str, str], str] = {}
        with self._lock:
            spans = [span for kept in self._traces.values() for _, span in kept.spans.values()]
            holders = [("span", span.attributes) for span in spans]
            holders += [("resource", span.resource.attributes) for span in spans]
            holders += [("log", record.attributes) for record in self._logs]
            holders += [("resource", record.resource.attributes) for record in self._logs]
        for scope, attributes in holders:
            for key, value in attributes.items():
                mine = sql_type(value)
                types[scope, key] = widest(types.get((scope, key), mine), mine)
        return types
