"""The clocks of one trace that is explained on the fly, from the traces around it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from longpole.analyzer.clock_shift import CLOCK, Clocks, clocks_of_text
from longpole.analyzer.clocks.at_hand import clocks_of_traces
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import HostCalls, host_calls, trace_times
from longpole.model.clock import Clock
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


# What so many traces prove holds for some seconds: whoever asks for one trace after another while
# none of them is settled takes no second look at their neighbours.
FRESH_NS = 5_000_000_000
_MOST_KEPT = 16


def calls_around(reader: TraceReader, time_unix_nano: int) -> HostCalls:
    """The calls between hosts in traces around that time."""
    return host_calls(reader.whole_traces(_ids_around(reader, time_unix_nano)[0], CLOCK))


class NearbyCalls:
    """Calls around moments that were asked about lately. Any thread may use it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[int, HostCalls]] = OrderedDict()
        self._lock = threading.Lock()

    def around(self, clock: Clock, reader: TraceReader, time_unix_nano: int) -> HostCalls:
        """As `calls_around`, up to `FRESH_NS` old. Where hardly any trace is settled yet, each one
        tells much: nothing is kept then."""
        moment, now = time_unix_nano // FRESH_NS, clock.monotonic_ns()
        with self._lock:
            made, kept = self._kept.get(moment, (0, None))
        if kept is not None and now - made < FRESH_NS:
            return kept
        ids, are_settled = _ids_around(reader, time_unix_nano)
        calls = host_calls(reader.whole_traces(ids, CLOCK))
        if are_settled:
            with self._lock:
                self._kept[moment] = now, calls
                self._kept.move_to_end(moment)
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return calls


def clocks_nearby(
    reader: TraceReader,
    trace: Trace | TraceState,
    around: Callable[[TraceReader, int], HostCalls] = calls_around,
) -> Clocks:
    """The clocks that a settled trace was settled with, so that it shows the path of its derived
    rows; for any other one what its own calls and those of traces `around` it prove."""
    stored = clocks_of_text(trace.clocks)
    if stored is not None:
        return stored
    own = reader.whole_traces([trace.trace_id], CLOCK)
    history = ClockHistory()
    for time in trace_times(own):
        history.add(around(reader, time))
    return next(iter(clocks_of_traces(own, history)), Clocks())


def _ids_around(reader: TraceReader, time_unix_nano: int) -> tuple[list[int], bool]:
    """Settled traces, which are found at once; any, where there are hardly any of those, which the
    second answer says."""
    around = TimeRange(time_unix_nano - BEFORE_NS, time_unix_nano + AFTER_NS)
    query = TraceQuery(time=around, limit=NEARBY_TRACES)
    found = reader.search_traces(query, TraceOrder.NEWEST, around, with_unsettled=False).traces
    are_settled = found.num_rows >= FEWEST_SETTLED
    if not are_settled:
        found = reader.find_traces(query).traces
    pairs = zip(found["trace_hi"].to_pylist(), found["trace_lo"].to_pylist(), strict=True)
    return [join_trace_id(hi, lo) for hi, lo in pairs], are_settled
