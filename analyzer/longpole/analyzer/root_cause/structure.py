"""Structure evidence: calls that a service makes and did not, or no longer makes.

Runs are compared by call path (the chain of services and operations from the root), so that a
change of traffic is none. Who calls decides what to call, and whether one after the other or side
by side, so the caller is the place; only a message that nobody takes is its receiver's. Calls that
are missing count only in runs below which nothing failed: after a failure they are expected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

from longpole.analyzer.root_cause.facts import TraceFacts
from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Example, Place
from longpole.analyzer.root_cause.samples import change_of
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.analyzer.wording import named

_MOST_EXAMPLES = 3


@dataclass(slots=True)
class _Runs:
    """Runs of one call path in one window: numbers, calls made, their squares, examples."""

    service: str = ""
    operation: str = ""
    runs: int = 0
    made: Counter[str] = field(default_factory=Counter)
    squares: Counter[str] = field(default_factory=Counter)
    callees: dict[str, str] = field(default_factory=dict)
    is_sending: bool = False
    abreast: list[float] = field(default_factory=list)
    slowest: list[tuple[float, int, int]] = field(default_factory=list)
    examples: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)


def structure_evidence(
    before: Sequence[TraceFacts], after: Sequence[TraceFacts], settings: RootCauseSettings
) -> list[Evidence]:
    """Callers whose calls per run changed significantly, most calls a trace first. A call path
    that is new says nothing: the call that begins it does."""
    if not before or not after:
        return []
    old_whole, new_whole = _runs(before, is_whole=True), _runs(after, is_whole=True)
    old_all, new_all = _runs(before, is_whole=False), _runs(after, is_whole=False)
    best: dict[Place, Evidence] = {}
    total = 0.0
    for path in sorted(old_all.keys() & new_all.keys()):
        for evidence in _more(old_all[path], new_all[path], len(after), settings):
            total += evidence.amount
            _keep(best, evidence)
    for path in sorted(old_whole.keys() & new_whole.keys()):
        for evidence in _in_a_row(old_whole[path], new_whole[path], len(after), settings):
            total += evidence.amount
            _keep(best, evidence)
        for evidence in _fewer(old_whole[path], new_whole[path], len(after), settings):
            total += evidence.amount
            _keep(best, evidence)
    return sorted(
        (replace(one, strength=min(1.0, one.amount / total)) for one in best.values()),
        key=lambda one: (-one.amount, one.place),
    )


def _keep(best: dict[Place, Evidence], evidence: Evidence) -> None:
    known = best.get(evidence.place)
    if known is None or (known.amount, known.operation) < (evidence.amount, evidence.operation):
        best[evidence.place] = evidence


def _runs(traces: Sequence[TraceFacts], *, is_whole: bool) -> dict[int, _Runs]:
    """By call path, of the runs below which nothing failed, or of all."""
    found: dict[int, _Runs] = {}
    for facts in traces:
        for (path, whole), calls in facts.calls.items():
            if is_whole and not whole:
                continue
            known = found.setdefault(path, _Runs(calls.service, calls.operation))
            known.runs += calls.runs
            known.callees.update(calls.callees)
            known.is_sending = known.is_sending or calls.is_sending
            known.abreast += calls.abreast
            if calls.abreast:
                known.slowest.append((min(calls.abreast), facts.trace_id, calls.span_id))
            for call, count in calls.made.items():
                known.made[call] += count
                known.squares[call] += count * count
                shown = known.examples.setdefault(call, [])
                shown.append((-count, facts.trace_id, calls.span_id))
                if len(shown) > 4 * _MOST_EXAMPLES:
                    shown[:] = sorted(shown)[:_MOST_EXAMPLES]
    return found


def _more(old: _Runs, new: _Runs, traces: int, settings: RootCauseSettings) -> Iterator[Evidence]:
    if old.runs < settings.fewest_traces:
        return
    for call in sorted(new.made):
        was, now = old.made[call] / old.runs, new.made[call] / new.runs
        more = now - was
        is_grown = now >= settings.least_call_ratio * was and new.made[call] - was * new.runs >= (
            settings.least_calls
        )
        if is_grown and more / _error(old, new, call) >= settings.least_z:
            state = "did not" if not old.made[call] else f"made {was:.3g}"
            yield _evidence(
                new, call, more, was, now, traces,
                f"{named(old.operation)} makes {now:.3g} calls of {_callee(new, call)} a run; "
                f"before it {state}",
            )  # fmt: skip


def _fewer(old: _Runs, new: _Runs, traces: int, settings: RootCauseSettings) -> Iterator[Evidence]:
    if new.runs < settings.fewest_traces or old.runs < settings.fewest_traces:
        return
    for call in sorted(old.made):
        was, now = old.made[call] / old.runs, new.made[call] / new.runs
        less = was - now
        is_shrunk = now * settings.least_call_ratio <= was and less * new.runs >= (
            settings.least_calls
        )
        if is_shrunk and less / _error(old, new, call) >= settings.least_z:
            state = "no call" if not new.made[call] else f"only {now:.3g} calls"
            yield _evidence(
                replace(new, callees=old.callees), call, less, was, now, traces,
                f"{named(old.operation)} makes {state} of {_callee(old, call)} a run; "
                f"before it made {was:.3g}",
            )  # fmt: skip


def _in_a_row(
    old: _Runs, new: _Runs, traces: int, settings: RootCauseSettings
) -> Iterator[Evidence]:
    """Calls that were made side by side and now follow each other."""
    if min(len(old.abreast), len(new.abreast)) < settings.fewest_traces:
        return
    change = change_of([(1.0, old.abreast, new.abreast)])
    is_lost = change.before >= settings.least_abreast_ratio * change.after
    if is_lost and change.z <= -settings.least_z:
        slowest = sorted(new.slowest)[:_MOST_EXAMPLES]
        yield Evidence(
            kind=EvidenceKind.STRUCTURE,
            place=Place(new.service),
            operation=new.operation,
            amount=-change.amount * len(new.abreast) / traces,
            before=change.before,
            after=change.after,
            words=f"{named(new.operation)} makes its calls one after the other: "
            f"{change.after:.2g} at once on average, {change.before:.2g} before",
            examples=tuple(Example(trace_id, span_id) for _, trace_id, span_id in slowest),
        )


def _callee(runs: _Runs, operation: str) -> str:
    callee = runs.callees.get(operation, "")
    return f"{named(operation)} ({named(callee)})" if callee else named(operation)


def _error(old: _Runs, new: _Runs, call: str) -> float:
    """The standard error of the difference of calls a run, never 0: a call that always or never
    happened in a few runs may yet do otherwise."""
    variance = 0.0
    for side in (old, new):
        mean = side.made[call] / side.runs
        spread = max(0.0, side.squares[call] / side.runs - mean * mean)
        variance += (spread + 0.25 / side.runs) / side.runs
    return sqrt(variance)


def _evidence(
    new: _Runs, call: str, by: float, was: float, now: float, traces: int, words: str
) -> Evidence:
    shown = sorted(new.examples.get(call, ()))[:_MOST_EXAMPLES]
    receiver = new.callees.get(call, "") if new.is_sending else ""
    return Evidence(
        kind=EvidenceKind.STRUCTURE,
        place=Place(receiver or new.service),
        operation=call,
        amount=by * new.runs / traces,
        before=was,
        after=now,
        words=words,
        examples=tuple(Example(trace_id, span_id) for _, trace_id, span_id in shown),
    )
