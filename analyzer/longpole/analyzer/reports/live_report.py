"""Traces as they appear: what has changed since the last look at the store."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from longpole.analyzer.reports.search_report import path_segment
from longpole.analyzer.reports.traces_report import shown_row
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import TraceOrder

MOST_ROWS = 200  # of one look; no reader follows more a second
MOST_REMEMBERED = 5_000
FIRST_ROWS = 20
LOOK_BACK_NS = 600 * 10**9  # a trace that runs longer is no longer followed
MOST_SEGMENTS = 60

_State = tuple[int, int, bool]


@dataclass(slots=True)
class Watch:
    """What one filter has shown so far: the state of each trace, the oldest forgotten first."""

    query: TraceQuery
    seen: OrderedDict[int, _State] = field(default_factory=OrderedDict)
    is_first: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """Rows that are new or have changed, newest first, as `traces_report` lists them with their
    `path`; `new_count` of them were not there before. `is_cut`: there were more."""

    rows: tuple[dict[str, Any], ...]
    new_count: int
    is_cut: bool


def look(reader: TraceReader, watch: Watch, now_unix_nano: int) -> Look:
    """One look at the store. The first one gives the newest few, so that a reader who comes has
    something to see; a trace that is still receiving spans comes again whenever it has changed."""
    roots = TimeRange(now_unix_nano - LOOK_BACK_NS)
    query = replace(watch.query, time=roots, limit=MOST_ROWS)
    found = reader.search_traces(query, TraceOrder.NEWEST, roots, most=2_000, enough=1)
    stored = found.traces.to_pylist()
    if watch.is_first:
        for row in stored[FIRST_ROWS:]:
            _remember(watch, join_trace_id(row["trace_hi"], row["trace_lo"]), _state(row))
    rows: dict[int, dict[str, Any]] = {}
    new_count = 0
    for row in stored:
        trace_id, state = join_trace_id(row["trace_hi"], row["trace_lo"]), _state(row)
        before = watch.seen.get(trace_id)
        if before == state:
            continue
        new_count += before is None
        rows[trace_id] = {**shown_row(trace_id, row), "path": []}
        _remember(watch, trace_id, state)
    settled = [trace_id for trace_id, row in rows.items() if row["is_settled"]]
    for segment in reader.path_segments(settled, MOST_SEGMENTS).to_pylist():
        owner = join_trace_id(segment["trace_hi"], segment["trace_lo"])
        rows[owner]["path"].append(path_segment(segment))
    is_cut = found.is_truncated and new_count >= MOST_ROWS
    watch.is_first = False
    return Look(tuple(rows.values()), new_count, is_cut)


def _state(row: dict[str, Any]) -> _State:
    return row["revision"], row["span_count"], row["is_settled"]


def _remember(watch: Watch, trace_id: int, state: _State) -> None:
    watch.seen[trace_id] = state
    watch.seen.move_to_end(trace_id)
    while len(watch.seen) > MOST_REMEMBERED:
        watch.seen.popitem(last=False)
