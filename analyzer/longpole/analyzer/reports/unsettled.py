"""Explains traces on the fly for which storage has no derived rows yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.storage.ports import TraceReader

TRACES_PER_READ = 500


def explanations(
    reader: TraceReader, trace_ids: Sequence[int], options: PathOptions | None
) -> Iterator[Explanation]:
    """Each of these traces explained as it is now, read in batches of bounded size; those
    that have expired since are left out."""
    for begin in range(0, len(trace_ids), TRACES_PER_READ):
        batch = trace_ids[begin : begin + TRACES_PER_READ]
        for _, spans in spans_of_whole_traces(reader.whole_traces(batch, ANALYSIS_ATTRIBUTES)):
            yield explain(spans, options)
