"""Settling in a hurry: the paths and sums of every trace, the explanations of a chosen few.

Paths, times and counts of a trace come from compiled loops and cost a hundredth of looking for
what is unusual in it, which is done in plain code. When more traces come in than can be looked
into, the ones that are most worth it are: those that failed, the slowest, and a sample of the
others. Sums over all traces stay exact; a trace that was not looked into
says so instead of a verdict, and its page works it out when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from loguru import logger

from longpole.analyzer.clock_shift import Clocks
from longpole.analyzer.columnar.settling import ColumnarRows
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import spans_of_whole_traces
from longpole.model.ids import trace_id_hex
from longpole.model.problem import Problem
from longpole.model.span import StatusCode
from longpole.storage.ports import DerivedRows, TraceState, WholeTraces

Ints = npt.NDArray[np.int64]

# One in so many traces is looked into, and at least so many of a round.
SHARE = 20
LEAST = 20
_ERROR = int(StatusCode.ERROR)


@dataclass(frozen=True, slots=True)
class Hurried:
    """The rows of a round, what went wrong on the way, and how many were not looked into."""

    rows: DerivedRows
    problems: tuple[Problem, ...]
    failed: int
    not_looked_into: int


def hurried_round(
    whole: WholeTraces,
    options: PathOptions | None,
    clocks: Sequence[Clocks],
    thresholds: Thresholds,
) -> Hurried:
    """All tables for the traces of `whole`. The compiled loops must be ready; what they raise
    goes through, and what the plain code raises costs its trace the findings."""
    rows = ColumnarRows(whole, options, clocks, thresholds)
    places = chosen(whole, rows.odd)
    wanted = iter(places.tolist())
    looked_into = spans_of_whole_traces(_part(whole, places))
    problems: list[Problem] = []
    failed = 0
    following = next(wanted, -1)
    for place in range(len(whole.traces)):
        if place != following:
            rows.add_not_looked_into()
            continue
        following = next(wanted, -1)
        state, spans = next(looked_into)
        try:
            explanation = explain(spans, options, clocks[place])
            rows.add(state, explanation)
        except Exception:  # a bug here must not stop the settling of everybody else
            logger.exception("The analysis of trace {} failed", trace_id_hex(state.trace_id))
            rows.add_unexplained(state, spans)
            failed += 1
        else:
            problems.extend(explanation.problems)
    left = len(whole.traces) - len(places)
    return Hurried(rows.rows(whole.traces), tuple(problems), failed, left)


def chosen(whole: WholeTraces, odd: npt.NDArray[np.bool_]) -> Ints:
    """The places of the traces to look into, ascending: all odd ones, since only plain code reads
    them, and of the others one in `SHARE`: up to a quarter failed ones, a quarter the slowest,
    and the others spread evenly."""
    count = len(whole.traces)
    starts = _starts(whole)
    failed = np.maximum.reduceat(_column(whole, "status_code") == _ERROR, starts)
    longest = np.maximum.reduceat(_column(whole, "duration_ns"), starts)
    most = max(LEAST, count // SHARE)
    is_chosen = odd.astype(np.bool_).copy()
    # Ids are random, so every so many in their order are as good as any.
    is_chosen[np.flatnonzero(failed)[: most // 4]] = True
    is_chosen[np.argsort(-longest, kind="stable")[: most // 4]] = True
    is_chosen[:: max(1, 2 * count // most)] = True
    return np.flatnonzero(is_chosen)


def _starts(whole: WholeTraces) -> Ints:
    """The first row of each trace."""
    high, low = _column(whole, "trace_hi"), _column(whole, "trace_lo")
    is_first = np.ones(high.size, np.bool_)
    is_first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return np.flatnonzero(is_first)


def _part(whole: WholeTraces, places: Ints) -> WholeTraces:
    """The same of these traces alone."""
    starts = _starts(whole)
    ends = np.append(starts[1:], whole.spans.num_rows)
    is_wanted = np.zeros(len(starts), np.bool_)
    is_wanted[places] = True
    rows = np.repeat(is_wanted, ends - starts)
    spans = whole.spans.filter(pa.array(rows))
    links = whole.links
    if links.num_rows:
        own = spans.column("row_id").combine_chunks()
        links = links.filter(pc.is_in(links.column("row_id"), value_set=own))
    return WholeTraces(spans, links, tuple(_at(whole.traces, places)))


def _at(traces: Sequence[TraceState], places: Ints) -> Iterator[TraceState]:
    return (traces[place] for place in places.tolist())


def _column(whole: WholeTraces, name: str) -> npt.NDArray[np.int64]:
    values: npt.NDArray[np.int64] = whole.spans.column(name).to_numpy()
    return values
