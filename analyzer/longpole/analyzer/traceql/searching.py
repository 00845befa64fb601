"""Traces that a query finds, newest first, with spans that matched and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from longpole.analyzer.traceql.candidates import alternatives
from longpole.analyzer.traceql.columns import Column, Kind, Value
from longpole.analyzer.traceql.expressions import Attribute, Field, Pipeline, Query
from longpole.analyzer.traceql.field_values import FieldValues
from longpole.analyzer.traceql.loading import Pace, check_time, expressions_of, fields_shown, load
from longpole.analyzer.traceql.refusals import InvalidQuery
from longpole.analyzer.traceql.spansets import Note, Spansets, all_spans, run
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

# A found span has these anyway, or its trace does.
_SHOWN_ELSEWHERE = frozenset(
    {"name", "duration", "rootName", "rootServiceName", "traceDuration", "trace:id", "span:id"}
)
_FIRST_CHUNK, _CHUNK = 40, 1_000


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """`traces` and `spans` bound the answer (spans of each set), `candidates` the traces that are
    looked at, newest first, `seconds` the time that it may take."""

    traces: int = 20
    spans: int = 3
    candidates: int = 20_000
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class FoundSpan:
    """One matched span; `attributes` are what the query looks at or selects and the span has."""

    span_id: int
    name: str
    start_unix_nano: int
    duration_ns: int
    attributes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class FoundSet:
    """The spans of one spanset, earliest first, up to the limit; `matched` counts all of them.
    `notes` are what it was grouped by and what was counted of it."""

    spans: tuple[FoundSpan, ...]
    matched: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class ServiceStats:
    """What one service did in a trace."""

    span_count: int
    error_count: int


@dataclass(frozen=True, slots=True)
class FoundTrace:
    """One trace of which at least one spanset was left."""

    trace_id: int
    root_service: str
    root_name: str
    start_unix_nano: int
    duration_ns: int
    services: Mapping[str, ServiceStats]
    sets: tuple[FoundSet, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Traces by start, newest first. `looked_at` counts the traces that were evaluated;
    `is_complete` is false when there were more that could match than were looked at."""

    traces: tuple[FoundTrace, ...]
    looked_at: int
    spans_looked_at: int
    is_complete: bool


def search(
    store: TraceReader,
    query: Query,
    time: TimeRange,
    elapsed: Callable[[], float],
    settings: SearchSettings = SearchSettings(),
) -> Found:
    """Run a query that finds traces. `time` bounds the start of a span that makes a trace a
    candidate; the whole trace is then looked at. Raises `TraceQLError`."""
    if not isinstance(query.root, Pipeline):
        raise InvalidQuery("this query measures: ask for its series, not for traces")
    stages = query.root.stages
    ids, is_complete = _candidates(store, query.root, time, settings.candidates)
    shown = fields_shown(stages)
    traces: list[FoundTrace] = []
    looked_at = spans = 0
    pace = Pace(_FIRST_CHUNK, _CHUNK)
    while looked_at < len(ids) and len(traces) < settings.traces:
        check_time(elapsed, settings.seconds)
        chunk = ids[looked_at : looked_at + pace.traces]
        values = load(store, chunk, expressions_of(stages))
        sets = run(stages, all_spans(values), values)
        traces += _found(values, sets, shown, settings.spans)
        looked_at += len(chunk)
        spans += len(values.frame)
        pace.note(len(chunk), len(values.frame))
    traces.sort(key=lambda trace: (-trace.start_unix_nano, trace.trace_id))
    return Found(tuple(traces[: settings.traces]), looked_at, spans, is_complete)


def _candidates(
    store: TraceReader, pipeline: Pipeline, time: TimeRange, most: int
) -> tuple[Sequence[int], bool]:
    """Ids of traces that can match, newest first, and whether these are all."""
    starts: dict[int, int] = {}
    is_complete = True
    for conditions in alternatives(pipeline.stages):
        found = store.find_traces(TraceQuery(conditions, time, most))
        is_complete &= not found.is_truncated
        columns = (
            found.traces.column(name).to_pylist()
            for name in ("trace_hi", "trace_lo", "start_unix_nano")
        )
        for hi, lo, start in zip(*columns, strict=True):
            starts[hi << 64 | lo] = start
    ids = sorted(starts, key=lambda trace_id: (-starts[trace_id], trace_id))
    return ids[:most], is_complete and len(ids) <= most


def _found(
    values: FieldValues, sets: Spansets, shown: Sequence[Field], most: int
) -> list[FoundTrace]:
    columns = [
        (_label(field), values.column(field)) for field in shown if _label(field) is not None
    ]
    by_trace: dict[int, list[FoundSet]] = {}
    order = np.lexsort((sets.rows, values.frame.start_ns[sets.rows], sets.owners))
    owners = sets.owners[order]
    begins = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])[: len(owners)])
    ends = np.append(begins[1:], len(owners))[: len(begins)]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        number = int(owners[begin])
        rows = sets.rows[order[begin : min(end, begin + most)]].tolist()
        spans = tuple(_span(values, row, columns) for row in rows)
        found = FoundSet(spans, end - begin, sets.notes[number])
        by_trace.setdefault(int(sets.traces[number]), []).append(found)
    return [_trace(values, trace, tuple(found)) for trace, found in by_trace.items()]


def _label(field: Field) -> str | None:
    """The key under which a field is shown; an attribute loses its scope, as in Tempo."""
    if isinstance(field, Attribute):
        return field.key
    return None if field.name in _SHOWN_ELSEWHERE else field.name


def _span(values: FieldValues, row: int, columns: Sequence[tuple[str | None, Column]]) -> FoundSpan:
    frame = values.frame
    attributes: list[tuple[str, Kind, Value]] = []
    for label, column in columns:
        kind, value = column.value(row)
        if kind is not Kind.NIL and label is not None:
            attributes.append((label, kind, value))
    return FoundSpan(
        int(frame.span_ids[row]),
        str(frame.names.value(row)[1]),
        int(frame.start_ns[row]),
        int(frame.duration_ns[row]),
        tuple(dict.fromkeys(attributes)),
    )


def _trace(values: FieldValues, trace: int, sets: tuple[FoundSet, ...]) -> FoundTrace:
    frame, root = values.frame, int(values.intrinsics.roots[trace])
    stats: dict[str, ServiceStats] = {}
    for row in range(int(frame.starts[trace]), int(frame.starts[trace + 1])):
        service = str(frame.services.value(row)[1])
        known = stats.get(service, ServiceStats(0, 0))
        is_error = int(frame.statuses[row] == 2)
        stats[service] = ServiceStats(known.span_count + 1, known.error_count + is_error)
    return FoundTrace(
        frame.trace_ids[trace],
        str(frame.services.value(root)[1]),
        str(frame.names.value(root)[1]),
        int(values.intrinsics.trace_starts[trace]),
        int(values.intrinsics.trace_durations[trace]),
        stats,
        sets,
    )
