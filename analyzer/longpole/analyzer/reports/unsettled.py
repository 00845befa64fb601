"""Explains traces on the fly for which storage has no derived rows yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.path_aggregate import PathAggregate
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.storage.ports import TraceReader

TRACES_PER_READ = 500
# From so many on, it pays to load the compiled loops.
MANY_TRACES = 2_000
MANY_PER_READ = 5_000


def explanations(
    reader: TraceReader, trace_ids: Sequence[int], options: PathOptions | None
) -> Iterator[Explanation]:
    """Each of these traces explained as it is now, read in batches of bounded size; those
    that have expired since are left out."""
    for begin in range(0, len(trace_ids), TRACES_PER_READ):
        batch = trace_ids[begin : begin + TRACES_PER_READ]
        for _, spans in spans_of_whole_traces(reader.whole_traces(batch, ANALYSIS_ATTRIBUTES)):
            yield explain(spans, options)


@dataclass(slots=True)
class UnsettledTotals:
    """Path time of traces as they are now. All counts are traces, `incomplete` and `late` as in
    `Coverage`; those that have expired since are in none."""

    aggregate: PathAggregate
    explained: int = 0
    incomplete: int = 0
    late: int = 0

    def add(self, explanation: Explanation) -> None:
        """Add one trace."""
        done = explanation.completeness
        self.aggregate.add(explanation)
        self.explained += 1
        self.incomplete += bool(done.orphans or done.headless)
        self.late += done.late > 0


def unsettled_totals(
    reader: TraceReader,
    trace_ids: Sequence[int],
    group_by: Sequence[str],
    options: PathOptions | None,
    core: CompiledCore = CORE,
) -> UnsettledTotals:
    """What these traces add to totals, read in batches of bounded size.

    Many traces go through the compiled loops as soon as these are ready; until then, and with
    few traces, one by one. The sums are the same either way.
    """
    totals = UnsettledTotals(PathAggregate(tuple(group_by)))
    is_many = len(trace_ids) >= MANY_TRACES
    if is_many:
        core.start()
    begin = 0
    while begin < len(trace_ids):
        is_columnar = is_many and core.is_ready
        end = begin + (MANY_PER_READ if is_columnar else TRACES_PER_READ)
        batch = trace_ids[begin:end]
        if is_columnar:
            _add_batch(totals, reader, batch, options)
        else:
            whole = reader.whole_traces(batch, ANALYSIS_ATTRIBUTES)
            for _, spans in spans_of_whole_traces(whole):
                totals.add(explain(spans, options))
        begin = end
    return totals


def _add_batch(
    totals: UnsettledTotals,
    reader: TraceReader,
    trace_ids: Sequence[int],
    options: PathOptions | None,
) -> None:
    from longpole.analyzer.columnar.batch import PATH_ATTRIBUTES
    from longpole.analyzer.columnar.paths import batch_paths
    from longpole.analyzer.columnar.totals import path_totals

    whole = reader.whole_traces(trace_ids, PATH_ATTRIBUTES)
    paths = batch_paths(whole, options)
    totals.aggregate.merge(path_totals(paths, totals.aggregate.group_by))
    forest = paths.forest
    is_plain = forest.odd == 0
    totals.explained += int(is_plain.sum())
    totals.incomplete += int((is_plain & ((forest.orphans > 0) | (forest.is_headless > 0))).sum())
    totals.late += sum(
        state.late > 0 for state, plain in zip(whole.traces, is_plain, strict=True) if plain
    )
    # Which of two spans with one id counts may depend on every attribute.
    odd = [whole.traces[place].trace_id for place in paths.odd.tolist()]
    for explanation in explanations(reader, odd, options):
        totals.add(explanation)
