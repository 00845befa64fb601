"""Chooses what is typical for a trace: stored traces of the same root around their median."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.compare.band import nearest_rank
from longpole.analyzer.explain import Explanation
from longpole.model.ids import join_trace_id
from longpole.model.query import Comparison, Condition, Field, TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader

# Enough traces to know their median by; fewer are taken when there are no more.
ENOUGH = 20
MOST_LOOKED_AT = 2_000
MOST_CHOSEN = 25
# Of those looked at, this part around the median counts as typical.
MIDDLE_SHARE = 5  # one in so many
HOUR_NS = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class Typical:
    """Ids of the typical traces, shortest first, `median` being the one in the middle; how many
    were `looked_at`, which began in `time`, and their median duration."""

    trace_ids: tuple[int, ...]
    median: int
    median_ns: int
    looked_at: int
    time: TimeRange


def typical_traces(reader: TraceReader, e: Explanation) -> Typical | None:
    """What other traces of this root operation usually are: those of the hour before it; where
    these are too few, of the day before, of all time before, of any time. None without any.

    At most the newest `MOST_LOOKED_AT` are looked at. Those whose root is missing are left out,
    since nobody knows what they are.
    """
    if e.root < 0:
        return None
    start = e.start_unix_nano
    ever = TimeRange()
    best: Typical | None = None
    for time in (
        TimeRange(start - HOUR_NS, start),
        TimeRange(start - 24 * HOUR_NS, start),
        TimeRange(ever.start_unix_nano, start),
        ever,
    ):
        found = _around_the_median(reader, e, time)
        if found and (best is None or found.looked_at > best.looked_at):
            best = found
        if best and best.looked_at >= ENOUGH:
            break
    return best


def _around_the_median(reader: TraceReader, e: Explanation, time: TimeRange) -> Typical | None:
    root = (
        Condition(Field.ROOT_SERVICE, Comparison.EQ, e.spans.services[e.root]),
        Condition(Field.ROOT_NAME, Comparison.EQ, e.spans.names[e.root]),
    )
    found = reader.find_traces(TraceQuery(root, time, MOST_LOOKED_AT)).traces
    names = ("duration_ns", "trace_hi", "trace_lo", "headless")
    rows = zip(*(found.column(name).to_pylist() for name in names), strict=True)
    ranked = sorted(
        (duration, join_trace_id(hi, lo))
        for duration, hi, lo, is_headless in rows
        if not is_headless and join_trace_id(hi, lo) != e.trace_id
    )
    if not ranked:
        return None
    middle = nearest_rank(len(ranked), 50) - 1
    width = min(MOST_CHOSEN, max(1, len(ranked) // MIDDLE_SHARE))
    first = max(0, middle - (width - 1) // 2)
    return Typical(
        trace_ids=tuple(trace_id for _, trace_id in ranked[first : first + width]),
        median=ranked[middle][1],
        median_ns=ranked[middle][0],
        looked_at=len(ranked),
        time=time,
    )
