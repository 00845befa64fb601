"""Settling: explains quiet traces once and hands their derived rows back to storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from loguru import logger

from longpole.analyzer.big_traces import LEAST_SPANS
from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks, clocks_of_text
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls, trace_numbers, trace_times
from longpole.analyzer.columnar.readiness import CORE, CompiledCore
from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.analyzer.settle_round import ExplainedRound, Round, explained_round
from longpole.model.clock import Clock
from longpole.model.problem import Problem
from longpole.storage.ports import SettleFeed, ViewShelf, WholeTraces

if TYPE_CHECKING:  # importing it loads what only big traces need
    from longpole.analyzer.reports.view_shelving import ViewShelving

_DEFAULTS = Thresholds()
# When so many traces wait, plain code does not catch up; it explains some thousand a second.
HURRY_TRACES = 20_000
# By then most of them are sealed, and reading a few of a segment's traces takes as long as many.
_HURRY_ROUND = 2  # times `limit`


@dataclass(frozen=True, slots=True)
class SettleRound:
    """What one round did. `problems` has one entry for each code, added up over the traces;
    `elapsed_ns` is how long it took. `not_looked_into`: traces whose paths are known, but for which
    nobody looked for findings, since too many were waiting. `is_elsewhere`: another process did
    the work."""

    traces: int
    spans: int
    problems: tuple[Problem, ...] = ()
    elapsed_ns: int = 0
    not_looked_into: int = 0
    is_elsewhere: bool = False


class Elsewhere(Protocol):
    """Another place to explain a round in; `SettleProcess` is one."""

    def explained(self, given: Round) -> ExplainedRound | None:
        """The same as `explained_round`; None if it has to be explained here. Never raises."""
        ...


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
    elsewhere: Elsewhere | None = None,
) -> SettleRound:
    """Explain up to `limit` quiet traces and put their derived rows; returns at once when
    nothing is quiet.

    No trace holds up the others (see `explained_round`). What storage raises goes through; the
    traces then stay pending.

    `history` has what earlier rounds showed of the clocks of hosts, and gets what this one
    shows; without it the traces of this round have to speak for themselves. `shelf` gets the views
    of big traces, so that their pages need not work them out. `elsewhere` is asked first, but for
    rounds with big traces.

    When `hurry_from` traces or more are waiting and `core` is ready, the rounds are larger, and
    findings are looked for in a part of the traces only (see `columnar.hurried`).
    """
    begin = clock.monotonic_ns()
    is_hurried = core.is_ready and feed.pending_traces() >= hurry_from
    whole = feed.quiet_traces(limit * _HURRY_ROUND if is_hurried else limit, ANALYSIS_ATTRIBUTES)
    if not whole.traces:
        return SettleRound(0, 0, (), clock.monotonic_ns() - begin)
    given = Round(whole, options, _clocks(whole, history or ClockHistory()), thresholds, is_hurried)
    shelving = None if is_hurried else _shelving(shelf, given)
    explained = None
    if elsewhere is not None and shelving is None:
        explained = elsewhere.explained(given)
    is_elsewhere = explained is not None
    if explained is None:
        explained = explained_round(given, core, shelving)
    feed.put_derived(explained.rows)
    if shelving is not None:
        shelving.put()
    return SettleRound(
        len(whole.traces), whole.spans.num_rows, explained.problems,
        clock.monotonic_ns() - begin, explained.not_looked_into, is_elsewhere,
    )  # fmt: skip


def _shelving(shelf: ViewShelf | None, given: Round) -> ViewShelving | None:
    """What makes views, if somebody keeps them and a trace of the round is big enough."""
    if shelf is None or _most_spans(given.whole) < LEAST_SPANS:
        return None
    from longpole.analyzer.reports.view_shelving import ViewShelving

    return ViewShelving(shelf, given.whole, given.options, given.thresholds)


def _most_spans(whole: WholeTraces) -> int:
    """How many spans the biggest trace has."""
    return int(np.bincount(trace_numbers(whole.spans)).max(initial=0))


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
