"""Finds the chains behind call path numbers, by reading a few traces that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from longpole.analyzer.call_tree import CallSteps
from longpole.analyzer.path_spans import spans_of_whole_traces
from longpole.storage.ports import TraceReader

# Most requests of one kind call the same things, so a few traces explain nearly all numbers;
# whoever has more shapes than this gets the rest counted as unexplained.
MOST_TRACES = 2_000
FIRST_ROUND, LARGEST_ROUND = 4, 64


def call_steps(reader: TraceReader, exemplars: Mapping[int, Sequence[int]]) -> CallSteps:
    """The chains of these call path numbers. `exemplars[number]` are ids of a few traces in
    which spans have it, several since one may have expired or changed meanwhile."""
    known = CallSteps()
    waiting = {number: list(reversed(ids)) for number, ids in exemplars.items()}
    read: set[int] = set()
    size = FIRST_ROUND
    while waiting and len(read) < MOST_TRACES:
        chosen: dict[int, None] = {}
        for number, ids in list(waiting.items()):
            while ids and ids[-1] in read:
                ids.pop()
            if not ids:
                del waiting[number]  # nobody is left to ask
                continue
            chosen[ids[-1]] = None
            if len(chosen) == size:
                break
        size = min(2 * size, LARGEST_ROUND)
        read.update(chosen)
        if chosen:
            for _, spans in spans_of_whole_traces(reader.whole_traces(list(chosen), ())):
                known.learn(spans, waiting.keys())
        for number in [number for number in waiting if number in known.steps]:
            del waiting[number]
    return known
