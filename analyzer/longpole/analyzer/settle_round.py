"""A round of settling without storage: whole traces in, their derived rows out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from loguru import logger

from longpole.analyzer.clock_shift import Clocks
from longpole.analyzer.columnar.readiness import CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.derived_rows import DerivedColumns
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.garbage_pause import garbage_pause
from longpole.analyzer.path_spans import spans_of_whole_traces
from longpole.model.finding import Finding
from longpole.model.ids import trace_id_hex
from longpole.model.problem import Problem, Severity
from longpole.storage.ports import DerivedRows, TraceState, WholeTraces

if TYPE_CHECKING:  # importing it loads Numba
    from longpole.analyzer.columnar.hurried import Hurried
    from longpole.analyzer.columnar.settling import ColumnarRows

MANY_TRACES = 50  # from so many on, columns are made quicker than rows
_FAILED = Problem(
    "analysis_failed",
    "Traces on which the analysis failed show one segment for their root; the log has the details.",
    Severity.LOSS,
)


@dataclass(frozen=True, slots=True)
class Round:
    """What is to be explained, and how. `clocks` has one entry for each trace. In a hurry,
    findings are looked for in a part of the traces only (see `columnar.hurried`)."""

    whole: WholeTraces
    options: PathOptions | None
    clocks: Sequence[Clocks]
    thresholds: Thresholds
    is_hurried: bool = False


@dataclass(frozen=True, slots=True)
class ExplainedRound:
    """The rows of a round. `problems` has one entry for each code, added up over the traces;
    `not_looked_into` is how many traces nobody looked for findings in."""

    rows: DerivedRows
    problems: tuple[Problem, ...] = ()
    not_looked_into: int = 0


class Onlooker(Protocol):
    """Who wants explanations while they are at hand."""

    def add(
        self, state: TraceState, e: Explanation, findings: Sequence[Finding], rows: range
    ) -> None:
        """One trace, whose spans are these rows of the round. Must not raise."""
        ...


def explained_round(
    given: Round, core: CompiledCore, onlooker: Onlooker | None = None
) -> ExplainedRound:
    """Explain every trace of a round. As soon as `core` is ready, the rows of a bigger round come
    from the compiled loops; they are the same.

    A trace on which the analysis itself fails (a bug of ours) does not hold up the others: it
    is logged, reported as `analysis_failed`, and settled with its longest root as one `self`
    segment, so that sums still add up and it is not tried again for ever.
    """
    whole = given.whole
    tally = _Tally()
    if given.is_hurried and len(whole.traces) >= MANY_TRACES and core.is_ready:
        hurried = _hurried(given)
        if hurried is not None:
            for problem in hurried.problems:
                tally.add(problem)
            for _ in range(hurried.failed):
                tally.add(_FAILED)
            return ExplainedRound(hurried.rows, tally.problems, hurried.not_looked_into)
    span_count = 0
    # What a round makes lives until its end: going through it again and again took as long as
    # making it.
    with garbage_pause(whole.spans.num_rows):
        derived = _collector(given, core)
        for (state, spans), clocks in zip(spans_of_whole_traces(whole), given.clocks, strict=True):
            rows_of_trace = range(span_count, span_count + len(spans))
            span_count += len(spans)
            try:
                explanation = explain(spans, given.options, clocks)
                findings = derived.add(state, explanation)
            except Exception:  # a bug here must not stop the settling of everybody else
                logger.exception("The analysis of trace {} failed", trace_id_hex(state.trace_id))
                derived.add_unexplained(state, spans)
                tally.add(_FAILED)
            else:
                for problem in explanation.problems:
                    tally.add(problem)
                if onlooker is not None:
                    onlooker.add(state, explanation, findings, rows_of_trace)
        rows = derived.rows(whole.traces)
    return ExplainedRound(rows, tally.problems)


def _hurried(given: Round) -> Hurried | None:
    """The rows of a round in a hurry; None if a bug of the compiled loops leaves plain code."""
    from longpole.analyzer.columnar.hurried import hurried_round

    try:
        with garbage_pause(given.whole.spans.num_rows):
            return hurried_round(given.whole, given.options, given.clocks, given.thresholds)
    except Exception:
        logger.exception("The compiled loops failed; the plain code goes on")
        return None


def _collector(given: Round, core: CompiledCore) -> DerivedColumns | ColumnarRows:
    """What takes explanations and gives rows: in columns if that is ready and pays."""
    if len(given.whole.traces) >= MANY_TRACES and core.is_ready:
        from longpole.analyzer.columnar.settling import ColumnarRows

        try:
            return ColumnarRows(given.whole, given.options, given.clocks, given.thresholds)
        except Exception:  # a bug of the compiled loops leaves the plain code
            logger.exception("The compiled loops failed; the plain code goes on")
    return DerivedColumns(given.thresholds)


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
