"""The spans of one trace as the analysis reads them: parallel lists, whatever they came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from longpole.analyzer.clock_shift import CLOCK, Clocks, clocks_of_text
from longpole.model.ids import split_trace_id
from longpole.model.span import AttributeValue, Span, StatusCode
from longpole.model.span_content import first_copies
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
    "db.client.connection.pool.name",
    "messaging.system",
    "messaging.destination.name",
    "messaging.message.id",
    "rpc.service",
    "rpc.method",
    "rpc.grpc.status_code",
    "http.request.method",
    "http.method",
    "http.request.resend_count",
    "http.response.status_code",
    "http.status_code",
    "http.request.body.size",
    "http.request_content_length",
    "http.response.body.size",
    "http.response_content_length",
    "url.template",
    "http.route",
    "url.full",
    "http.url",
    "url.path",
    "http.target",
    "error.type",
    *CLOCK,
    "faas.coldstart",
    "saga.compensation",
)

_ERROR = int(StatusCode.ERROR)
_HALF = 1 << 63  # of the numbers that 64 bits hold

# The first non-empty of several attributes of a row, as text (of each key the span's, else the
# resource's); None when it has none of them.
AttributeLookup: TypeAlias = Callable[[int, tuple[str, ...]], str | None]
# The same of all rows at once; None when no row has any of them.
AttributeColumn: TypeAlias = Callable[[tuple[str, ...]], Sequence[str | None] | None]


# Not frozen, though nothing ever changes one: it would take five times as long to make.
@dataclass(slots=True)
class PathSpans:
    """One trace as parallel lists, all of the same length.

    Times are Unix nanoseconds as sent, an end may lie before its start. `text(i, keys)` gives
    an attribute of span i. `duplicates` counts the exact copies that were left out already.
    `sent[rows[i]]` is the whole span behind span i; `sent` is empty when they came as columns.
    `links` has, by row, the ids that a span links to within its own trace. `clocks` are those
    that the trace was settled with, None when it was not.
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
    sent: Sequence[Span] = ()
    links: Mapping[int, Sequence[int]] = field(default_factory=dict)
    clocks: Clocks | None = None
    column: AttributeColumn | None = None

    def __len__(self) -> int:
        return len(self.span_ids)

    def text(self, index: int, keys: tuple[str, ...]) -> str | None:
        """The first of these attributes that span `index` has and that is not empty."""
        return self.attribute(self.rows[index], keys)

    def may_have(self, keys: tuple[str, ...]) -> bool:
        """False when it is known at once that no span has any of these attributes."""
        return self.column is None or self.column(keys) is not None

    def texts(self, keys: tuple[str, ...]) -> Sequence[str | None] | None:
        """By index what `text` says, for who asks it of every span; None when no span has any."""
        if self.column is None:
            found = [self.attribute(row, keys) for row in self.rows]
            return found if any(found) else None
        values = self.column(keys)
        return None if values is None else [values[row] for row in self.rows]

    def failed(self) -> list[int]:
        """The spans whose status says error, ascending; quick where there are few among many."""
        found: list[int] = []
        codes, at = self.status_codes, -1
        try:
            while True:
                at = codes.index(_ERROR, at + 1)
                found.append(at)
        except ValueError:
            return found

    def linked(self, index: int) -> Sequence[int]:
        """The ids of the spans of this trace that span `index` links to; they may be missing."""
        return self.links.get(self.rows[index], ())


def spans_of_trace(trace: Trace) -> PathSpans:
    """The columns of a `Trace`. Spans equal in every field are taken once."""
    spans = [trace.spans[place] for place in first_copies(trace.spans)]
    return _path_spans(
        trace.trace_id,
        [
            [span.span_id for span in spans],
            [span.parent_span_id for span in spans],
            [span.start_unix_nano for span in spans],
            [span.duration_ns for span in spans],
            [span.name for span in spans],
            [span.service_name for span in spans],
            [span.kind for span in spans],
            [span.status_code for span in spans],
            [span.status_message for span in spans],
        ],
        rows=range(len(spans)),
        attribute=_attributes_of(spans),
        sent=spans,
        revision=trace.revision,
        is_settled=trace.is_settled,
        late=trace.late,
        duplicates=len(trace.spans) - len(spans),
        links={
            row: [link.span_id for link in span.links if link.trace_id == trace.trace_id]
            for row, span in enumerate(spans)
            if span.links
        },
        clocks=clocks_of_text(trace.clocks),
    )


def spans_of_whole_traces(whole: WholeTraces) -> Iterator[tuple[TraceState, PathSpans]]:
    """One `PathSpans` for each trace of `whole`, in the same order.

    Columns become Python lists once for the whole batch; an attribute column does so when
    the first span asks for it.
    """
    table = whole.spans
    trace_ids = [table.column(name).to_pylist() for name in ("trace_hi", "trace_lo")]
    columns = [
        table.column(name).to_pylist()
        for name in (
            "span_id", "parent_span_id", "start_unix_nano", "duration_ns", "name",
            "service_name", "kind", "status_code", "status_message",
        )
    ]  # fmt: skip
    attribute, column = _lookups_of_table(whole)
    links = _links_of_table(whole)
    begin, count = 0, table.num_rows
    for state in whole.traces:
        end = begin
        wanted = list(split_trace_id(state.trace_id))
        while end < count and [column[end] for column in trace_ids] == wanted:
            end += 1
        yield (
            state,
            _path_spans(
                state.trace_id,
                [column[begin:end] for column in columns],
                rows=range(begin, end),
                attribute=attribute,
                column=column,
                revision=state.revision,
                late=state.late,
                duplicates=state.duplicates,
                links=links,
                clocks=clocks_of_text(state.clocks),
            ),
        )
        begin = end


def _links_of_table(whole: WholeTraces) -> dict[int, list[int]]:
    """Links within a trace, by row of `whole.spans`."""
    links: dict[int, list[int]] = {}
    if not whole.links.num_rows:
        return links
    columns = ("row_id", "trace_hi", "trace_lo")
    spans = zip(*(whole.spans.column(name).to_pylist() for name in columns), strict=True)
    places = {row_id: (row, hi, lo) for row, (row_id, hi, lo) in enumerate(spans)}
    names = ("row_id", "linked_trace_hi", "linked_trace_lo", "linked_span_id")
    for row_id, hi, lo, span_id in zip(
        *(whole.links.column(name).to_pylist() for name in names), strict=True
    ):
        place = places.get(row_id)
        if place is not None and place[1:] == (hi, lo):
            links.setdefault(place[0], []).append(span_id)
    return links


def _path_spans(
    trace_id: int,
    columns: list[list[Any]],
    *,
    rows: range,
    attribute: AttributeLookup,
    column: AttributeColumn | None = None,
    revision: int,
    late: int,
    duplicates: int,
    sent: Sequence[Span] = (),
    is_settled: bool = False,
    links: Mapping[int, Sequence[int]],
    clocks: Clocks | None,
) -> PathSpans:
    """Both ways into the analysis end here, so that they cannot give two answers."""
    ids, parent_ids, starts, durations, names, services, kinds, codes, messages = columns
    starts = _in_64_bits(starts)
    return PathSpans(
        trace_id=trace_id,
        span_ids=ids,
        parent_ids=parent_ids,
        starts=starts,
        ends=_in_64_bits([s + d for s, d in zip(starts, durations, strict=True)]),
        names=names,
        services=services,
        kinds=kinds,
        status_codes=codes,
        status_messages=messages,
        rows=list(rows),
        attribute=attribute,
        column=column,
        sent=sent,
        revision=revision,
        is_settled=is_settled,
        late=late,
        duplicates=duplicates,
        links=links,
        clocks=clocks,
    )


def _in_64_bits(times: list[int]) -> list[int]:
    """Signed 64-bit times, wrapped around as in columns: a duration that does not fit was
    wrapped when it was stored, and wrapping the sum gives the end that was sent."""
    if not times or (min(times) >= -_HALF and max(times) < _HALF):
        return times
    return [(time + _HALF) % (2 * _HALF) - _HALF for time in times]


def _attributes_of(spans: Sequence[Span]) -> AttributeLookup:
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


def attributes_of_table(whole: WholeTraces) -> AttributeLookup:
    """The attributes by row of `whole.spans`; those that are asked for together become one list
    when they are first asked for."""
    return _lookups_of_table(whole)[0]


def _lookups_of_table(whole: WholeTraces) -> tuple[AttributeLookup, AttributeColumn]:
    table = whole.spans
    known = set(table.column_names)
    read: dict[tuple[str, ...], list[str | None] | None] = {}

    def attribute(row: int, keys: tuple[str, ...]) -> str | None:
        try:
            values = read[keys]
        except KeyError:
            values = column(keys)
        return values[row] if values is not None else None

    def column(keys: tuple[str, ...]) -> list[str | None] | None:
        if keys not in read:
            read[keys] = _first_texts([table.column(k) for k in keys if k in known])
        return read[keys]

    return attribute, column


def _first_texts(columns: Sequence[pa.ChunkedArray]) -> list[str | None] | None:
    """By row the first of these texts that is not empty; None when no row has any."""
    held = [column for column in columns if column.null_count < len(column)]
    if not held:
        return None
    filled = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
              for column in held]  # fmt: skip
    values: list[str | None] = pc.coalesce(*filled).to_pylist()
    return values
