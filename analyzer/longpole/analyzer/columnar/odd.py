"""Odd traces: those of a batch that the compiled loops leave to the plain implementation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from longpole.analyzer.columnar.paths import BatchPaths
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.path_spans import PathSpans, spans_of_whole_traces


def odd_spans(paths: BatchPaths) -> Iterator[tuple[int, PathSpans]]:
    """The place and the spans of every odd trace, in order."""
    batch = paths.batch
    for place in paths.odd.tolist():
        begin, end = int(batch.offsets[place]), int(batch.offsets[place + 1])
        alone = replace(
            batch.whole,
            spans=batch.whole.spans.slice(begin, end - begin),
            traces=batch.whole.traces[place : place + 1],
        )
        for _, spans in spans_of_whole_traces(alone):
            yield place, spans


def odd_explanations(
    paths: BatchPaths, options: PathOptions | None = None
) -> Iterator[tuple[int, Explanation]]:
    """The place and the explanation of every odd trace, in order."""
    for place, spans in odd_spans(paths):
        yield place, explain(spans, options, paths.clocks[place])
