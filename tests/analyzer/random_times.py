"""Random traces with several root operations, and their path time trace by trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import strategies as st

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.times_by_trace import TimesByTrace
from longpole.model.trace import Trace
from tests.analyzer.random_trees import trees


@st.composite
def many_traces(draw: st.DrawFn, most: int = 14) -> list[Trace]:
    """Up to `most` traces with ids of their own; roots have one of two operations."""
    drawn = draw(st.lists(trees(), min_size=1, max_size=most))
    shift = draw(st.sampled_from((0, 10**18)))  # real clocks do not start at zero
    return [
        Trace(
            number,
            tuple(
                replace(
                    one,
                    trace_id=number,
                    name=f"root-{number % 2}" if one.span_id == 1 else one.name,
                    start_unix_nano=one.start_unix_nano + shift,
                    end_unix_nano=one.end_unix_nano + shift,
                )
                for one in tree.spans
            ),
        )
        for number, tree in enumerate(drawn, 1)
    ]


def times_of(traces: Iterable[Trace], group_by: Sequence[str]) -> TimesByTrace:
    """Their path time, explained now."""
    times = TimesByTrace(tuple(group_by))
    for one in traces:
        times.add(explain(one))
    return times


def explained(traces: Iterable[Trace]) -> list[Explanation]:
    """All of them explained."""
    return [explain(one) for one in traces]
