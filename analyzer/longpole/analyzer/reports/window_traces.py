"""Reads the traces that began in a stretch of time, for reports about the whole of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.reports.unsettled import explanations
from longpole.analyzer.root_cause.facts import facts_of
from longpole.analyzer.root_cause.windows import Window
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

_EVER = TimeRange()


@dataclass(frozen=True, slots=True)
class Begun:
    """Traces whose root began in `time`: how many `matched`, and the ids of those to read."""

    time: TimeRange
    matched: int
    chosen: tuple[int, ...]
    notices: tuple[str, ...]


def traces_begun(reader: TraceReader, query: TraceQuery, most_traces: int) -> Begun:
    """The traces that match and whose root began in `query.time`; of more than `most_traces` a
    sample that depends on nothing but their ids.

    An end that was left open is just after the last of them, a beginning at the first.
    """
    found = reader.find_traces(replace(query, limit=None))
    time = query.time
    rows = zip(
        *(
            found.traces.column(name).to_pylist()
            for name in ("trace_hi", "trace_lo", "start_unix_nano")
        ),
        strict=True,
    )
    begun = {
        join_trace_id(hi, lo): start
        for hi, lo, start in rows
        if time.start_unix_nano <= start < time.end_unix_nano
    }
    if begun and time.end_unix_nano == _EVER.end_unix_nano:
        time = replace(time, end_unix_nano=max(begun.values()) + 1)
    if begun and time.start_unix_nano == _EVER.start_unix_nano:
        time = replace(time, start_unix_nano=min(begun.values()))
    # The low half of an id is random by W3C's rule, so its order is a fair draw.
    chosen = sorted(begun, key=lambda trace_id: (trace_id & (1 << 64) - 1, trace_id))[:most_traces]
    return Begun(time, len(begun), tuple(chosen), found.notices)


def read_window(
    reader: TraceReader, query: TraceQuery, options: PathOptions | None, most_traces: int
) -> Window:
    """The traces of `traces_begun`, reduced to facts."""
    begun = traces_begun(reader, query, most_traces)
    traces = tuple(facts_of(explained) for explained in explanations(reader, begun.chosen, options))
    return Window(begun.time, begun.matched, traces, begun.notices)
