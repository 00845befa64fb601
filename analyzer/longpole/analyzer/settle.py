"""Settling: explains quiet traces once and hands their derived rows back to storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loguru import logger

from longpole.analyzer.big_traces import LEAST_SPANS
from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks, clocks_of_text
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls, trace_times
from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.derived_rows import DerivedColumns
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.garbage_pause import garbage_pause
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.model.clock import Clock
from longpole.model.ids import trace_id_hex
from longpole.model.problem import Problem, Severity
from longpole.storage.ports import SettleFeed, ViewShelf, WholeTraces

if TYPE_CHECKING:  # importing it loads Numba, or what only big traces need
    from longpole.analyzer.columnar.hurried import Hurried
    from longpole.analyzer.columnar.settling import ColumnarRows
    from longpole.analyzer.reports.view_shelving import ViewShelving

_DEFAULTS = Thresholds()
MANY_TRACES = 50  # from so many on, columns are made quicker than rows
# When so many traces wait, plain code does not catch up; it explains some thousand a second.
HURRY_TRACES = 20_000
_HURRY_ROUND = 2  # times `limit` in a round then
_FAILED = Problem(
    "analysis_failed",
    "Traces on which the analysis failed show one segment for their root; the log has the details.",
    Severity.LOSS,
)


@dataclass(frozen=True, slots=True)
class SettleRound:
    """What one round did. `problems` has one entry for each code, added up over the traces;
    `elapsed_ns` is how long it took. `not_looked_into`: traces whose paths are known, but for which
    nobody looked for findings, since too many were waiting."""

    traces: int
    spans: int
    problems: tuple[Problem, ...] = ()
    elapsed_ns: int = 0
    not_looked_into: int = 0


def settle_once(
    feed: SettleFeed,
    clock: Clock,
    options: PathOptions | None = None,
    limit: int = 2000,
    thresholds: Thresholds = _DEFAULTS,
    history: ClockHistory | None = None,
    core: CompiledCore = CORE,
    shelf: ViewShelf | None = None,
    hurry_from: int = HURRY_TRACES,
) -> SettleRound:
    """Explain up to `limit` quiet traces and put their derived rows; returns at once when
    nothing is quiet.

    A trace on which the analysis itself fails (a bug of ours) does not hold up the others: it
    is logged, reported as `analysis_failed`, and settled with its longest root as one `self`
    segment, so that sums still add up and it is not tried again for ever. What storage raises
    goes through; the traces then stay pending.

    `history` has what earlier rounds showed of the clocks of hosts, and gets what this one
    shows; without it the traces of this round have to speak for themselves. As soon as `core`
    is ready, the rows of a bigger round come from the compiled loops; they are the same. `shelf`
    gets the views of big traces, so that their pages need not work them out.

    When `hurry_from` traces or more are waiting and `core` is ready, the rounds are larger, and
    findings are looked for in a part of the traces only (see `columnar.hurried`).
    """
    begin = clock.monotonic_ns()
    is_hurried = core.is_ready and feed.pending_traces() >= hurry_from
    whole = feed.quiet_traces(limit * _HURRY_ROUND if is_hurried else limit, ANALYSIS_ATTRIBUTES)
    if not whole.traces:
        return SettleRound(0, 0, (), clock.monotonic_ns() - begin)
    all_clocks = _clocks(whole, history or ClockHistory())
    tally = _Tally()
    if is_hurried and len(whole.traces) >= MANY_TRACES:
        hurried = _hurried(whole, options, all_clocks, thresholds)
        if hurried is not None:
            feed.put_derived(hurried.rows)
            for problem in hurried.problems:
                tally.add(problem)
            for _ in range(hurried.failed):
                tally.add(_FAILED)
            return SettleRound(
                len(whole.traces), whole.spans.num_rows, tally.problems,
                clock.monotonic_ns() - begin, hurried.not_looked_into,
            )  # fmt: skip
    shelving = _shelving(shelf, whole, options, thresholds)
    span_count = 0
    # What a round makes lives until its end: going through it again and again took as long as
    # making it.
    with garbage_pause(whole.spans.num_rows):
        derived = _collector(whole, options, all_clocks, thresholds, core)
        for (state, spans), clocks in zip(spans_of_whole_traces(whole), all_clocks, strict=True):
            rows_of_trace = range(span_count, span_count + len(spans))
            span_count += len(spans)
            try:
                explanation = explain(spans, options, clocks)
                findings = derived.add(state, explanation)
            except Exception:  # a bug here must not stop the settling of everybody else
                logger.exception("The analysis of trace {} failed", trace_id_hex(state.trace_id))
                derived.add_unexplained(state, spans)
                tally.add(_FAILED)
            else:
                for problem in explanation.problems:
                    tally.add(problem)
                if shelving is not None:
                    shelving.add(state, explanation, findings, rows_of_trace)
        rows = derived.rows(whole.traces)
    feed.put_derived(rows)
    if shelving is not None:
        shelving.put()
    return SettleRound(len(whole.traces), span_count, tally.problems, clock.monotonic_ns() - begin)


def _hurried(
    whole: WholeTraces,
    options: PathOptions | None,
    clocks: Sequence[Clocks],
    thresholds: Thresholds,
) -> Hurried | None:
    """The rows of a round in a hurry; None if a bug of the compiled loops leaves plain code."""
    from longpole.analyzer.columnar.hurried import hurried_round

    try:
        with garbage_pause(whole.spans.num_rows):
            return hurried_round(whole, options, clocks, thresholds)
    except Exception:
        logger.exception("The compiled loops failed; the plain code goes on")
        return None


def _shelving(
    shelf: ViewShelf | None,
    whole: WholeTraces,
    options: PathOptions | None,
    thresholds: Thresholds,
) -> ViewShelving | None:
    """What makes views, if somebody keeps them and a trace of the round may be big enough."""
    if shelf is None or whole.spans.num_rows < LEAST_SPANS:
        return None
    from longpole.analyzer.reports.view_shelving import ViewShelving

    return ViewShelving(shelf, whole, options, thresholds)


def _collector(
    whole: WholeTraces,
    options: PathOptions | None,
    clocks: Sequence[Clocks],
    thresholds: Thresholds,
    core: CompiledCore,
) -> DerivedColumns | ColumnarRows:
    """What takes explanations and gives rows: in columns if that is ready and pays."""
    if len(whole.traces) >= MANY_TRACES and core.is_ready:
        from longpole.analyzer.columnar.settling import ColumnarRows

        try:
            return ColumnarRows(whole, options, clocks, thresholds)
        except Exception:  # a bug of the compiled loops leaves the plain code
            logger.exception("The compiled loops failed; the plain code goes on")
    return DerivedColumns(thresholds)


def _clocks(whole: WholeTraces, history: ClockHistory) -> list[Clocks]:
    """The clocks of every trace, in order. Where nothing is known of them, after a restart say,
    what an earlier revision of the trace knew; none if a bug of ours stands in the way."""
    try:
        history.add(host_calls(whole))
        return [
            history.clocks_at(time) or clocks_of_text(state.clocks) or NO_CLOCKS
            for state, time in zip(whole.traces, trace_times(whole), strict=True)
        ]
    except Exception:
        logger.exception("Clocks could not be compared; times are taken as sent")
        return [NO_CLOCKS] * len(whole.traces)


class _Tally:
    """Adds problems up by code; the first one's words and spans stand for all."""

    def __init__(self) -> None:
        self._by_code: dict[str, Problem] = {}

    def add(self, problem: Problem) -> None:
        known = self._by_code.get(problem.code)
        count = problem.count + (known.count if known else 0)
        first = known or problem
        self._by_code[problem.code] = Problem(
            first.code, first.message, first.severity, count, first.span_ids
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._by_code[code] for code in sorted(self._by_code))
