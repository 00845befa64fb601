"""Clocks at hand: those of traces that no settling looked at, from these traces themselves."""

from __future__ import annotations

from longpole.analyzer.clock_shift import Clocks, clocks_of_text
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls, trace_times
from longpole.storage.ports import WholeTraces


def clocks_of_traces(whole: WholeTraces, history: ClockHistory | None = None) -> list[Clocks]:
    """The clocks of every trace, in order: those that it was settled with, else what the calls
    in all of these traces (and in `history`, which gets them) prove for its time."""
    stored = [clocks_of_text(state.clocks) for state in whole.traces]
    if None not in stored:
        return [clocks for clocks in stored if clocks is not None]
    history = history or ClockHistory()
    history.add(host_calls(whole))
    return [
        history.clocks_at(time) if clocks is None else clocks
        for clocks, time in zip(stored, trace_times(whole), strict=True)
    ]
