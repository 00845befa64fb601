"""The sample: the first matching traces of an order, from which a page of rows, counts of values,
groups and a picture are all taken, so that they speak of the same traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.storage.ports import TraceReader
from longpole.storage.search_ports import CLOCK_SLACK_NS, TraceOrder

MOST_TRACES = 5_000


@dataclass(frozen=True, slots=True)
class Sample:
    """`traces` in the columns of `FoundTraces`, in `order`. `is_truncated`: more match than are in
    here. `looked_at`: only that many traces, the first of that order, were looked at; None: all."""

    query: TraceQuery
    order: TraceOrder
    traces: pa.Table
    is_truncated: bool
    looked_at: int | None
    notices: tuple[str, ...]

    def ids(self, first: int = 0, count: int | None = None) -> list[int]:
        """Trace ids in order."""
        rows = self.traces.slice(first, count)
        halves = (rows.column(name).to_pylist() for name in ("trace_hi", "trace_lo"))
        return [join_trace_id(hi, lo) for hi, lo in zip(*halves, strict=True)]

    def numbers(self, name: str) -> npt.NDArray[np.int64]:
        """One column of integers."""
        values: npt.NDArray[np.int64] = self.traces.column(name).to_numpy()
        return values

    @property
    def spans_query(self) -> TraceQuery:
        """The query with its time narrowed to where spans of these traces can start, so that
        little is read."""
        starts = self.numbers("start_unix_nano")
        if not starts.size:
            return self.query
        time = self.query.time
        first = max(int(starts.min()) - CLOCK_SLACK_NS, time.start_unix_nano)
        return replace(
            self.query, time=TimeRange(min(first, time.end_unix_nano), time.end_unix_nano)
        )


def sample_of(
    reader: TraceReader,
    query: TraceQuery,
    order: TraceOrder = TraceOrder.NEWEST,
    before_unix_nano: int | None = None,
    most: int = MOST_TRACES,
) -> Sample:
    """The first `most` traces that match and whose root starts in the query's time and before
    `before_unix_nano`; `query.limit` does not apply."""
    roots = query.time
    if before_unix_nano is not None:
        end = max(roots.start_unix_nano, min(roots.end_unix_nano, before_unix_nano))
        roots = TimeRange(roots.start_unix_nano, end)
    found = reader.search_traces(replace(query, limit=most), order, roots)
    return Sample(query, order, found.traces, found.is_truncated, found.looked_at, found.notices)


def only(sample: Sample, places: Sequence[int]) -> Sample:
    """The sample with the rows at these places alone."""
    return replace(sample, traces=sample.traces.take(pa.array(places, pa.int64())))
