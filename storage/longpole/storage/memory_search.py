"""Searches plain span objects as `TraceSearcher` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from longpole.model import columns
from longpole.model.ids import split_trace_id
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.span import AttributeValue, Span
from longpole.model.timerange import TimeRange
from longpole.storage import memory_query as plain
from longpole.storage.memory_trace import KeptTrace
from longpole.storage.ports import FoundTraces
from longpole.storage.query_checks import check_value_fields, refuse_bad_regexes
from longpole.storage.search_ports import (
    ORDER_COLUMNS,
    RIBBON_COLUMNS,
    ROOT_RUNS,
    SPAN_VALUES,
    SearchedTraces,
    SpanKey,
    SpanValues,
    TraceOrder,
)

_SCHEMA = pa.schema([columns.PATH_SEGMENTS.field(name) for name in RIBBON_COLUMNS])


class MemorySearch(ABC):
    """`TraceSearcher` over the traces of a memory store."""

    @abstractmethod
    def find_traces(self, query: TraceQuery) -> FoundTraces:
        """See `ports.TraceReader`."""

    @abstractmethod
    def kept(self) -> Mapping[int, KeptTrace]:
        """Every trace as it is now."""

    @abstractmethod
    def row_of(self, trace_id: int, trace: KeptTrace) -> plain.TraceRow:
        """What is said of a trace."""

    def search_traces(
        self,
        query: TraceQuery,
        order: TraceOrder,
        roots: TimeRange,
        most: int = 20_000,
        enough: int = 500,
        with_unsettled: bool = True,
    ) -> SearchedTraces:
        """See `search_ports.TraceSearcher`."""
        notices = self.find_traces(query).notices
        kept = self.kept()
        rows = [self.row_of(trace_id, trace) for trace_id, trace in kept.items()]
        begun = [
            row
            for row in rows
            if roots.start_unix_nano <= _number(row, "start_unix_nano") < roots.end_unix_nano
            and plain.trace_matches(row, query)
            and (with_unsettled or row.values["is_settled"])
        ]
        column = ORDER_COLUMNS[order]
        begun.sort(key=lambda row: (-_number(row, column), *row.newest_first))

        def matching(some: Iterable[plain.TraceRow]) -> list[plain.TraceRow]:
            return [
                row
                for row in some
                if any(
                    plain.span_matches(span, query) for _, span in kept[row.trace_id].spans.values()
                )
            ]

        looked_at = None
        found = matching(begun[:most] if query.span_conditions else begun)
        if query.span_conditions and len(begun) > most:
            if len(found) < enough:
                found = matching(begun)
            else:
                looked_at = most
        cut = found if query.limit is None else found[: query.limit]
        return SearchedTraces(plain.found_table(cut), len(cut) < len(found), looked_at, notices)

    def root_runs(self, service: str, operation: str, roots: TimeRange, most: int) -> pa.Table:
        """See `search_ports.TraceSearcher`."""
        root = (
            Condition(Field.ROOT_SERVICE, Comparison.EQ, service),
            Condition(Field.ROOT_NAME, Comparison.EQ, operation),
        )
        query = TraceQuery(root, limit=most)
        found = self.search_traces(query, TraceOrder.NEWEST, roots, with_unsettled=False)
        return found.traces.select(ROOT_RUNS.names)

    def span_values(
        self, query: TraceQuery, trace_ids: Sequence[int], keys: Sequence[SpanKey], most: int
    ) -> SpanValues:
        """See `search_ports.TraceSearcher`."""
        check_value_fields(keys)
        refuse_bad_regexes(query)
        kept = self.kept()
        traces: dict[tuple[int, str, str], set[int]] = defaultdict(set)
        for trace_id in trace_ids:
            for _, span in kept[trace_id].spans.values() if trace_id in kept else ():
                if not plain.span_matches(span, query):
                    continue
                for place, key in enumerate(keys):
                    if (value := _value(span, key)) is not None:
                        traces[place, *value].add(trace_id)
        counted = sorted((place, -len(ids), v, k) for (place, k, v), ids in traces.items())
        rows = []
        for place in range(len(keys)):
            own = [entry for entry in counted if entry[0] == place][:most]
            rows += [{"place": p, "kind": k, "value": v, "trace_count": -n} for p, n, v, k in own]
        return SpanValues(pa.Table.from_pylist(rows, schema=SPAN_VALUES))

    def path_segments(self, trace_ids: Sequence[int], most: int) -> pa.Table:
        """See `search_ports.TraceSearcher`."""
        kept = self.kept()
        rows: list[Mapping[str, Any]] = []
        for trace_id in sorted(set(trace_ids), key=split_trace_id):
            segments: list[dict[str, Any]] = (
                kept[trace_id].derived.get("path_segments", []) if trace_id in kept else []
            )
            longest = sorted(
                segments,
                key=lambda s: (s["start_unix_nano"] - s["end_unix_nano"], s["start_unix_nano"]),
            )
            rows += sorted(longest[:most], key=lambda s: int(s["start_unix_nano"]))
        return pa.Table.from_pylist([dict(row) for row in rows], schema=_SCHEMA)


def _number(row: plain.TraceRow, name: str) -> int:
    value = row.values[name]
    assert isinstance(value, int)
    return value


def _value(span: Span, key: SpanKey) -> tuple[str, str] | None:
    """Kind and text of what a span has there."""
    match key.field:
        case Field.SERVICE:
            return "text", span.service_name
        case Field.NAME:
            return "text", span.name
        case Field.KIND:
            return "number", str(int(span.kind))
        case Field.STATUS:
            return "number", str(int(span.status_code))
    for place in (span.attributes, span.resource.attributes):
        if key.key in place:
            return _told(place[key.key])
    return None


def _told(value: AttributeValue) -> tuple[str, str] | None:
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, int | float):
        return "number", str(value)
    return ("text", value) if isinstance(value, str) else None
