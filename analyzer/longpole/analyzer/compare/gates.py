"""Conditions for CI: `p95 path > +5%`, `mean path "SELECT cart" > +2ms`, `errors > +1%`.

condition   statistic [subject] ["operation"] ">" "+" number unit
statistic   mean, p50, p95, p99; errors (without subject and operation)
subject     path (the default): time on the critical path of a trace, which over all operations
            is the duration of the trace; with an operation, what it holds of it
            duration: of traces; with an operation, how long its calls take, on the path or
            beside it, what they wait for included (the mean over the calls of a trace)
unit        % of base's figure; ns, us, ms, s; for errors % are points of the share of traces
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from longpole.analyzer.compare.band import Statistic, percentile_ns
from longpole.analyzer.compare.columns import Scope
from longpole.analyzer.compare.noise import FEWEST_TRACES, Change, Changes
from longpole.analyzer.compare.ranks import Floats
from longpole.analyzer.compare.sample import Operation, Sample
from longpole.model.problem import LongpoleError

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
_CONDITION = re.compile(
    r"""\s*(?P<statistic>mean|p50|p95|p99|errors)
    (?:\s+(?P<subject>path|duration))?
    (?:\s*"(?P<operation>(?:[^"\\]|\\.){1,1000})")?
    \s*>\s*\+?\s*(?P<number>[0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(?P<unit>%|ns|us|µs|ms|s)\s*""",
    re.VERBOSE,
)


class GateSyntaxError(LongpoleError):
    """A condition that cannot be read."""


class Subject(StrEnum):
    """What is measured in a trace."""

    PATH = "path"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. `limit` is a share where `is_relative` or for errors, else nanoseconds.
    `statistic` None stands for errors."""

    text: str
    statistic: Statistic | None
    subject: Subject
    operation: str | None
    limit: float
    is_relative: bool


class Outcome(StrEnum):
    """What became of a condition."""

    PASSED = "passed"
    FAILED = "failed"  # beyond the limit, and a test says that it got worse
    NOISE = "noise"  # beyond the limit, but that may be chance
    UNKNOWN = "unknown"  # there is nothing to measure it on
    TOO_FEW = "too_few"  # there are figures, but of too few traces to tell anything


@dataclass(frozen=True, slots=True)
class GateResult:
    """`base` and `head` are nanoseconds, or shares for errors; None where nothing has that.
    `change` is in the unit of the limit, infinite from nothing. `reason` is for the person."""

    gate: Gate
    base: float | None
    head: float | None
    change: float | None
    outcome: Outcome
    reason: str


def parse_gate(text: str) -> Gate:
    """Raises `GateSyntaxError`, which shows what is meant."""
    match = _CONDITION.fullmatch(text)
    is_errors = match is not None and match["statistic"] == "errors"
    if (
        match is None
        or (is_errors and (match["subject"] or match["operation"] or match["unit"] != "%"))
    ):  # fmt: skip
        raise GateSyntaxError(
            f"{text[:200]!r} is no condition; write p95 path > +5%, mean path > +2ms, "
            'p50 path "SELECT cart" > +10%, p95 duration > +20ms or errors > +1%'
        )
    number = float(match["number"])
    is_relative = match["unit"] == "%"
    operation = match["operation"]
    return Gate(
        text=text.strip(),
        statistic=None if is_errors else Statistic(match["statistic"]),
        subject=Subject(match["subject"] or "path"),
        operation=None if operation is None else re.sub(r"\\(.)", r"\1", operation),
        limit=number / 100 if is_relative else number * _UNITS[match["unit"]],
        is_relative=is_relative,
    )


def gate_result(
    gate: Gate, base: Sample, head: Sample, operations: list[Operation], found: Changes
) -> GateResult:
    """Whether the condition is met, and whether that is more than noise."""
    figures = [_figure(gate, side, operations) for side in (base, head)]
    before, after = figures
    if gate.subject is Subject.PATH and gate.operation is not None and before is not after:
        # An operation that a side has not holds nothing of its paths.
        before, after = before or 0.0, after or 0.0
    if before is None or after is None:
        side = "on either side" if before is after else "in base" if before is None else "in head"
        what = "trace" if gate.operation is None else f'span "{gate.operation}"'
        # What is gone cannot have become slower; what nobody has is most likely a typing error.
        is_gone = after is None and before is not None and gate.operation is not None
        outcome = Outcome.PASSED if is_gone else Outcome.UNKNOWN
        return GateResult(gate, before, after, None, outcome, f"no {what} {side}")
    change = after - before
    if gate.is_relative and gate.statistic is not None:
        change = change / before if before else math.inf if change > 0 else 0.0
    if not found.is_enough:
        beyond = "beyond" if change > gate.limit else "within"
        reason = (
            f"cannot tell: {len(base)} and {len(head)} traces, at least {FEWEST_TRACES} a side "
            f"are needed ({beyond} the limit as it is)"
        )
        return GateResult(gate, before, after, change, Outcome.TOO_FEW, reason)
    if change <= gate.limit:
        return GateResult(gate, before, after, change, Outcome.PASSED, "within the limit")
    if _witness(gate, found) is not None:
        reason = "beyond the limit, and more than noise"
        return GateResult(gate, before, after, change, Outcome.FAILED, reason)
    reason = "beyond the limit, but not more than noise"
    return GateResult(gate, before, after, change, Outcome.NOISE, reason)


def _witness(gate: Gate, found: Changes) -> Change | None:
    """A test that says that this got worse."""
    for change in found.real:
        if change.scope is Scope.ERRORS:
            is_about = gate.statistic is None
        elif change.scope is Scope.MIX:
            # Other traffic moves the figures of all traces; within a kind nothing need be worse.
            is_about = gate.statistic is not None and gate.operation is None
        elif gate.statistic is None:
            is_about = False
        else:
            is_about = gate.operation is None or (
                change.operation is not None and change.operation[1] == gate.operation
            )
        if is_about and (change.is_worse or change.scope is Scope.MIX):
            return change
    return None


def _figure(gate: Gate, side: Sample, operations: list[Operation]) -> float | None:
    if not len(side):
        return None
    if gate.statistic is None:
        return float(side.is_error.mean())
    values = _values(gate, side, operations)
    if not values.size:
        return None
    percent = gate.statistic.percent
    if percent is None:
        return float(values.mean())
    return float(percentile_ns(values.astype(np.int64), percent) or 0)


def _values(gate: Gate, side: Sample, operations: list[Operation]) -> Floats:
    """A value a trace; of the calls of an operation, only for traces that have one."""
    if gate.operation is None:
        return side.duration_ns.astype(np.float64)
    places = [place for place, (_, name) in enumerate(operations) if name == gate.operation]
    rows = np.isin(side.operation, places)
    if not rows.any():
        return np.zeros(0)
    if gate.subject is Subject.PATH:
        times = np.zeros(len(side))
        np.add.at(times, side.trace[rows], side.path[rows].sum(axis=1, dtype=np.float64))
        return times
    took = np.bincount(side.trace[rows], side.took[rows].astype(np.float64))
    calls = np.bincount(side.trace[rows], side.calls[rows])
    result: Floats = took[calls > 0] / calls[calls > 0]
    return result
