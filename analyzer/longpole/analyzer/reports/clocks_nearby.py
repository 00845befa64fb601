"""The clocks of one trace that is explained on the fly, from the traces around it."""

from __future__ import annotations

from longpole.analyzer.clock_shift import CLOCK, Clocks, clocks_of_text
from longpole.analyzer.clocks.at_hand import clocks_of_traces
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls, trace_times
from longpole.model.ids import join_trace_id
from longpole.model.query import TraceQuery
from longpole.model.timerange import TimeRange
from longpole.model.trace import Trace
from longpole.storage.ports import TraceReader, TraceState
from longpole.storage.search_ports import TraceOrder

# Of the traces around one, the last so many before a few seconds after it are looked at.
NEARBY_TRACES = 300
FEWEST_SETTLED = 100
BEFORE_NS, AFTER_NS = 300_000_000_000, 5_000_000_000


def clocks_nearby(reader: TraceReader, trace: Trace | TraceState) -> Clocks:
    """The clocks that a settled trace was settled with, so that it shows the path of its derived
    rows; for any other one what its own calls and those of traces around it prove."""
    stored = clocks_of_text(trace.clocks)
    if stored is not None:
        return stored
    own = reader.whole_traces([trace.trace_id], CLOCK)
    history = ClockHistory()
    for time in trace_times(own):
        history.add(host_calls(reader.whole_traces(_ids_around(reader, time), CLOCK)))
    return next(iter(clocks_of_traces(own, history)), Clocks())


def _ids_around(reader: TraceReader, time_unix_nano: int) -> list[int]:
    """Settled traces, which are found at once; any, where there are hardly any of those."""
    around = TimeRange(time_unix_nano - BEFORE_NS, time_unix_nano + AFTER_NS)
    query = TraceQuery(time=around, limit=NEARBY_TRACES)
    found = reader.search_traces(query, TraceOrder.NEWEST, around, with_unsettled=False).traces
    if found.num_rows < FEWEST_SETTLED:
        found = reader.find_traces(query).traces
    pairs = zip(found["trace_hi"].to_pylist(), found["trace_lo"].to_pylist(), strict=True)
    return [join_trace_id(hi, lo) for hi, lo in pairs]
