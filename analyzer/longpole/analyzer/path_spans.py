"""The spans of one trace as the analysis reads them: parallel lists, whatever they came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from longpole.model.ids import join_trace_id
from longpole.model.span import AttributeValue, Span
from longpole.model.trace import Trace
from longpole.storage.ports import TraceState, WholeTraces

# What storage is asked for beside the core columns; everything the labels and verdicts read.
ANALYSIS_ATTRIBUTES: tuple[str, ...] = (
    "peer.service",
    "server.address",
    "net.peer.name",
    "db.system.name",
    "db.system",
    "db.query.text",
    "db.statement",
    "db.operation.name",
    "db.operation",
    "db.collection.name",
    "db.sql.table",
    "db.namespace",
    "messaging.system",
    "messaging.destination.name",
    "rpc.service",
    "rpc.method",
    "http.request.method",
    "http.method",
    "http.request.resend_count",
    "url.template",
    "http.route",
    "url.full",
    "http.url",
    "url.path",
    "http.target",
    "error.type",
    "host.name",
)

# The first non-empty of several attributes of a row, as text (of each key the span's, else the
# resource's); None when it has none of them.
AttributeLookup: TypeAlias = Callable[[int, tuple[str, ...]], str | None]


@dataclass(frozen=True, slots=True)
class PathSpans:
    """One trace as parallel lists, all of the same length.

    Times are Unix nanoseconds as sent, an end may lie before its start. `text(i, keys)` gives
    an attribute of span i. `duplicates` counts the exact copies that were left out already.
    """

    trace_id: int
    span_ids: list[int]
    parent_ids: list[int]
    starts: list[int]
    ends: list[int]
    names: list[str]
    services: list[str]
    kinds: list[int]
    status_codes: list[int]
    status_messages: list[str]
    rows: list[int]
    attribute: AttributeLookup
    revision: int = 0
    is_settled: bool = False
    late: int = 0
    duplicates: int = 0

    def __len__(self) -> int:
        return len(self.span_ids)

    def text(self, index: int, keys: tuple[str, ...]) -> str | None:
        """The first of these attributes that span `index` has and that is not empty."""
        return self.attribute(self.rows[index], keys)


def spans_of_trace(trace: Trace) -> PathSpans:
    """The columns of a `Trace`. Spans equal in every field are taken once."""
    spans, duplicates = _distinct(trace.spans)
    return PathSpans(
        trace_id=trace.trace_id,
        span_ids=[span.span_id for span in spans],
        parent_ids=[span.parent_span_id for span in spans],
        starts=[span.start_unix_nano for span in spans],
        ends=[span.end_unix_nano for span in spans],
        names=[span.name for span in spans],
        services=[span.service_name for span in spans],
        kinds=[span.kind for span in spans],
        status_codes=[span.status_code for span in spans],
        status_messages=[span.status_message for span in spans],
        rows=list(range(len(spans))),
        attribute=_attributes_of(spans),
        revision=trace.revision,
        is_settled=trace.is_settled,
        late=trace.late,
        duplicates=duplicates,
    )


def spans_of_whole_traces(whole: WholeTraces) -> Iterator[tuple[TraceState, PathSpans]]:
    """One `PathSpans` for each trace of `whole`, in the same order.

    Columns become Python lists once for the whole batch; an attribute column does so when
    the first span asks for it.
    """
    table = whole.spans
    columns: dict[str, list[Any]] = {
        name: table.column(name).to_pylist()
        for name in (
            "trace_hi", "trace_lo", "span_id", "parent_span_id", "start_unix_nano",
            "duration_ns", "name", "service_name", "kind", "status_code", "status_message",
        )
    }  # fmt: skip
    ends = [s + d for s, d in zip(columns["start_unix_nano"], columns["duration_ns"], strict=True)]
    attribute = _attributes_of_table(whole)
    begin = 0
    for state in whole.traces:
        end = begin
        while (
            end < len(ends)
            and join_trace_id(columns["trace_hi"][end], columns["trace_lo"][end]) == state.trace_id
        ):
            end += 1
        part = slice(begin, end)
        yield (
            state,
            PathSpans(
                trace_id=state.trace_id,
                span_ids=columns["span_id"][part],
                parent_ids=columns["parent_span_id"][part],
                starts=columns["start_unix_nano"][part],
                ends=ends[part],
                names=columns["name"][part],
                services=columns["service_name"][part],
                kinds=columns["kind"][part],
                status_codes=columns["status_code"][part],
                status_messages=columns["status_message"][part],
                rows=list(range(begin, end)),
                attribute=attribute,
                revision=state.revision,
                late=state.late,
                duplicates=state.duplicates,
            ),
        )
        begin = end


def _distinct(spans: tuple[Span, ...]) -> tuple[list[Span], int]:
    """The spans without exact copies, and how many copies there were."""
    if len({span.span_id for span in spans}) == len(spans):
        return list(spans), 0
    seen: dict[int, list[Span]] = {}
    kept: list[Span] = []
    for span in spans:
        same_id = seen.setdefault(span.span_id, [])
        if span in same_id:
            continue
        same_id.append(span)
        kept.append(span)
    return kept, len(spans) - len(kept)


def _attributes_of(spans: list[Span]) -> AttributeLookup:
    sets: dict[tuple[str, ...], frozenset[str]] = {}

    def attribute(row: int, keys: tuple[str, ...]) -> str | None:
        span = spans[row]
        own, inherited = span.attributes, span.resource.attributes
        wanted = sets.get(keys)
        if wanted is None:
            wanted = sets[keys] = frozenset(keys)
        # Most spans have none of them, and this says so without a loop in Python.
        if wanted.isdisjoint(own) and wanted.isdisjoint(inherited):
            return None
        for key in keys:
            text = _text_in(own, key) or _text_in(inherited, key)
            if text:
                return text
        return None

    return attribute


def _text_in(attributes: Mapping[str, AttributeValue], key: str) -> str | None:
    value = attributes.get(key)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(value, default=str)


def _attributes_of_table(whole: WholeTraces) -> AttributeLookup:
    table = whole.spans
    known = set(table.column_names)
    read: dict[str, list[str | None] | None] = {}

    def attribute(row: int, keys: tuple[str, ...]) -> str | None:
        for key in keys:
            if key not in read:
                column = table.column(key) if key in known else None
                is_empty = column is None or column.null_count == len(column)
                read[key] = None if is_empty or column is None else column.to_pylist()
            values = read[key]
            if values is not None and values[row]:
                return values[row]
        return None

    return attribute
