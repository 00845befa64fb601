"""Explains traces on the fly for which storage has no derived rows yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from longpole.analyzer.clocks.at_hand import clocks_of_traces
from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.path_aggregate import PathAggregate
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.storage.ports import TraceReader, WholeTraces

if TYPE_CHECKING:  # loading the compiled loops takes longer than a few traces
    from longpole.analyzer.columnar.paths import BatchPaths

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
        yield from _explained(reader.whole_traces(batch, ANALYSIS_ATTRIBUTES), options)


@dataclass(slots=True)
class ExplainedNow:
    """How many traces were explained now; `incomplete` and `late` as in `Coverage`. Those that
    have expired since are in none."""

    explained: int = 0
    incomplete: int = 0
    late: int = 0

    def add(self, explanation: Explanation) -> None:
        """Count one trace."""
        done = explanation.completeness
        self.explained += 1
        self.incomplete += bool(done.orphans or done.headless)
        self.late += done.late > 0


@dataclass(slots=True)
class UnsettledTotals(ExplainedNow):
    """Path time of traces as they are now."""

    aggregate: PathAggregate = field(default_factory=lambda: PathAggregate(()))


def unsettled_totals(
    reader: TraceReader,
    trace_ids: Sequence[int],
    group_by: Sequence[str],
    options: PathOptions | None,
    core: CompiledCore = CORE,
) -> UnsettledTotals:
    """What these traces add to totals; see `explain_now`."""
    totals = UnsettledTotals(aggregate=PathAggregate(tuple(group_by)))

    def add_batch(paths: BatchPaths) -> None:
        from longpole.analyzer.columnar.totals import path_totals

        totals.aggregate.merge(path_totals(paths, totals.aggregate.group_by))

    explain_now(reader, trace_ids, options, totals, totals.aggregate.add, add_batch, core)
    return totals


def explain_now(
    reader: TraceReader,
    trace_ids: Sequence[int],
    options: PathOptions | None,
    counts: ExplainedNow,
    add: Callable[[Explanation], None],
    add_batch: Callable[[BatchPaths], None],
    core: CompiledCore = CORE,
) -> None:
    """Explain these traces, read in batches of bounded size, count them and give them to `add`.

    Many traces go through the compiled loops as soon as these are ready and to `add_batch`, apart
    from the odd ones among them; until then, and with few traces, one by one. What comes out is
    the same either way.
    """
    is_many = len(trace_ids) >= MANY_TRACES
    if is_many:
        core.start()
    begin = 0
    while begin < len(trace_ids):
        is_columnar = is_many and core.is_ready
        end = begin + (MANY_PER_READ if is_columnar else TRACES_PER_READ)
        batch = trace_ids[begin:end]
        if is_columnar:
            batch = _all_but_odd(reader, batch, options, counts, add_batch)
        for explanation in explanations(reader, batch, options):
            counts.add(explanation)
            add(explanation)
        begin = end


def _explained(whole: WholeTraces, options: PathOptions | None) -> Iterator[Explanation]:
    for clocks, (_, spans) in zip(
        clocks_of_traces(whole), spans_of_whole_traces(whole), strict=True
    ):
        yield explain(spans, options, clocks)


def _all_but_odd(
    reader: TraceReader,
    trace_ids: Sequence[int],
    options: PathOptions | None,
    counts: ExplainedNow,
    add_batch: Callable[[BatchPaths], None],
) -> Sequence[int]:
    """Does all but the odd traces, and gives the ids of these back."""
    from longpole.analyzer.columnar.batch import PATH_ATTRIBUTES
    from longpole.analyzer.columnar.paths import batch_paths

    whole = reader.whole_traces(trace_ids, PATH_ATTRIBUTES)
    paths = batch_paths(whole, options, clocks_of_traces(whole))
    add_batch(paths)
    forest = paths.forest
    is_plain = forest.odd == 0
    counts.explained += int(is_plain.sum())
    counts.incomplete += int((is_plain & ((forest.orphans > 0) | (forest.is_headless > 0))).sum())
    counts.late += sum(
        state.late > 0 for state, plain in zip(whole.traces, is_plain, strict=True) if plain
    )
    # Which of two spans with one id counts may depend on every attribute.
    return [whole.traces[place].trace_id for place in paths.odd.tolist()]
