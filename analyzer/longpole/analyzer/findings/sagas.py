"""Sagas: steps in several places of which one failed, and what became of those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from longpole.analyzer.calls import DB_SYSTEM, peer_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.failures import Failures, chain_words, failures_of, from_origin
from longpole.analyzer.findings.path_time import path_time
from longpole.analyzer.findings.survey import survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.undoing import deed_of, undoes
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind, StatusCode

_MOST_SPAN_IDS = 50
_MOST_STEPS = 200  # of one span; a loop over more than that is no saga
_MOST_STEPS_IN_WORDS = 6
_OUTCOME = ("saga.compensation",)
_STEPS = (int(SpanKind.CLIENT), int(SpanKind.PRODUCER), int(SpanKind.INTERNAL))


@dataclass(slots=True)
class _Saga:
    """One span that conducted steps. All are indices in the order of time; `undone` has the last
    call that took each step back; `left` the completed steps that nothing took back.
    `is_named`: it calls itself a saga, or took other steps back; else it only looks like one."""

    conductor: int
    failed: int
    completed: list[int] = field(default_factory=list)
    undone: dict[int, int] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    is_named: bool = False


_Tell: TypeAlias = Callable[[Explanation, Failures, _Saga], Finding]


def _sagas(explanation: Explanation) -> list[_Saga]:
    """The sagas of one trace that failed, looked for once for all rules that ask; a saga that
    came to its end is none of them."""
    noted = survey_of(explanation).noted
    found: list[_Saga] | None = noted.get("sagas")
    if found is None:
        found = noted["sagas"] = _found_sagas(explanation)
    return found


def _found_sagas(explanation: Explanation) -> list[_Saga]:
    spans, tree = explanation.spans, explanation.tree
    conductors: dict[int, None] = {}
    for index in spans.failed():
        parent = tree.parents[index]
        if parent != NO_PARENT and spans.kinds[index] in _STEPS:
            conductors[parent] = None
    sagas = [_saga(explanation, conductor) for conductor in conductors]
    return [saga for saga in sagas if saga is not None]


def conductors(explanation: Explanation) -> frozenset[int]:
    """The spans whose sagas failed and were undone, or should have been."""
    return frozenset(saga.conductor for saga in _sagas(explanation))


def _saga(explanation: Explanation, conductor: int) -> _Saga | None:
    spans = explanation.spans
    children = explanation.tree.children[conductor]
    if not 2 <= len(children) <= _MOST_STEPS:
        return None
    steps = [
        child
        for child in sorted(children, key=lambda c: (spans.starts[c], spans.ends[c], c))
        if spans.kinds[child] in _STEPS
        and (spans.kinds[child] == SpanKind.INTERNAL or spans.text(child, DB_SYSTEM) is None)
    ]
    said = [step for step in steps if _speaks_of_saga(spans.names[step])]
    if said:  # then all else is the bookkeeping of who conducts it
        steps = said
    failed, undoings = _turning_point(spans, steps)
    if failed is None:
        return None
    saga = _Saga(conductor, failed)
    latest: dict[tuple[str, int], int] = {}
    for step in steps:
        # A step beside the one that failed stands too.
        if step == failed or spans.starts[step] >= spans.ends[failed] or step in undoings:
            continue
        if spans.status_codes[step] != StatusCode.ERROR and _has_effect(explanation, step):
            latest[spans.names[step], spans.kinds[step]] = step
    saga.completed = sorted(latest.values(), key=lambda c: (spans.starts[c], c))
    for step in saga.completed:
        takers = [u for u in undoings if _takes_back(spans, u, step)]
        if takers:
            saga.undone[step] = takers[-1]  # the last attempt tells how it ended
    saga.is_named = bool(saga.undone) or _speaks_of_saga(spans.names[conductor])
    for step in saga.completed:
        if step in saga.undone:
            if spans.status_codes[saga.undone[step]] == StatusCode.ERROR:
                saga.left.append(step)
        elif _is_to_be_undone(explanation, step, saga):
            saga.left.append(step)
    return saga if saga.undone or saga.left else None


def _turning_point(spans: PathSpans, steps: list[int]) -> tuple[int | None, list[int]]:
    """The step that failed, and the calls after it that take something back. A failed attempt
    that was repeated with success is not it."""
    succeeded = {
        (spans.names[s], spans.kinds[s]): spans.starts[s]
        for s in steps
        if spans.status_codes[s] != StatusCode.ERROR
    }
    failed: int | None = None
    before: list[int] = []
    for step in steps:
        call = (spans.names[step], spans.kinds[step])
        is_good = (
            spans.status_codes[step] != StatusCode.ERROR
            or succeeded.get(call, spans.ends[step] - 1) >= spans.ends[step]
        )
        if is_good:
            before.append(step)
        elif failed is None:
            if not any(_takes_back(spans, step, done) for done in before):
                failed = step
        elif spans.names[failed] == spans.names[step]:
            failed = step  # tried again, in vain
    if failed is None:
        return None, []
    undoings = [
        step
        for step in steps
        if step != failed
        and spans.starts[step] >= spans.ends[failed]
        and any(_takes_back(spans, step, done) for done in before if done != step)
    ]
    return failed, undoings


def _takes_back(spans: PathSpans, later: int, earlier: int) -> bool:
    if spans.starts[later] < spans.ends[earlier]:
        return False
    later_name, earlier_name = spans.names[later], spans.names[earlier]
    if undoes(later_name, earlier_name, False):
        return True
    if not deed_of(later_name).is_undoing:
        return False
    peer = peer_of(spans, later)
    same_peer = peer is not None and peer == peer_of(spans, earlier)
    return same_peer and undoes(later_name, earlier_name, True)


def _has_effect(explanation: Explanation, step: int) -> bool:
    """Whether a step changes anything: a call that only reads does not, nor does a step whose
    calls all do so."""
    spans, children = explanation.spans, explanation.tree.children
    if deed_of(spans.names[step]).is_reading:
        return False
    if spans.kinds[step] != SpanKind.INTERNAL:
        return True
    calls: list[int] = []
    waiting = list(children[step])
    while waiting:
        index = waiting.pop()
        if spans.kinds[index] in (SpanKind.CLIENT, SpanKind.PRODUCER):
            calls.append(index)
        elif spans.kinds[index] == SpanKind.INTERNAL:
            waiting.extend(children[index])
    return not calls or any(not deed_of(spans.names[call]).is_reading for call in calls)


def _speaks_of_saga(name: str) -> bool:
    return "saga" in deed_of(name).words


def _is_to_be_undone(explanation: Explanation, step: int, saga: _Saga) -> bool:
    """Whether a completed step that nothing took back should have been."""
    spans = explanation.spans
    deed = deed_of(spans.names[step])
    if {"saga", "step"} <= set(deed.words):
        return True
    if not deed.is_binding or spans.kinds[step] == SpanKind.INTERNAL and not saga.is_named:
        return False
    # The conductor may have gone on without the step that failed: then nothing is to be undone.
    return spans.status_codes[saga.conductor] == StatusCode.ERROR or saga.is_named


def _compensated(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
    if StatusCode.ERROR not in explanation.spans.status_codes:
        return
    yield from _each(explanation, _compensation, [s for s in _sagas(explanation) if not s.left])


def _each(explanation: Explanation, tell: _Tell, sagas: list[_Saga]) -> Iterator[Finding]:
    if sagas:
        failures = failures_of(explanation)
        yield from (tell(explanation, failures, saga) for saga in sagas)


def _compensation(explanation: Explanation, failures: Failures, saga: _Saga) -> Finding:
    spans = explanation.spans
    told = _told(explanation, failures, saga)
    service, operation = spans.services[told.origin], spans.names[told.origin]
    softened = [_step_name(spans, s) for s, u in saga.undone.items() if _only_softens(spans, u)]
    ending = f"{_listed(softened)} cannot be taken back." if softened else "Nothing is left over."
    return Finding(
        detector=SAGA_COMPENSATION.identifier,
        severity=FindingSeverity.WARNING,
        trace_id=explanation.trace_id,
        span_ids=told.span_ids,
        service=service,
        operation=operation,
        saving_ns=told.undoing_ns,
        reason=f"{told.failure} {told.undone} {ending}",
        action=(
            f"Mend what fails in {named(service)}. If it fails often, ask for it before the "
            "steps that are costly to undo, and undo after answering."
        ),
        fingerprint=fingerprint_of(
            SAGA_COMPENSATION.identifier,
            spans.services[saga.conductor],
            spans.names[saga.conductor],
            spans.names[saga.failed],
        ),
    )


def _uncompensated(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
    if StatusCode.ERROR not in explanation.spans.status_codes:
        return
    yield from _each(explanation, _left_over, [s for s in _sagas(explanation) if s.left])


def _left_over(explanation: Explanation, failures: Failures, saga: _Saga) -> Finding:
    spans = explanation.spans
    told = _told(explanation, failures, saga)
    tried = [_step_name(spans, step) for step in saga.left if step in saga.undone]
    forgotten = [_step_name(spans, step) for step in saga.left if step not in saga.undone]
    standing: list[str] = []
    if forgotten:
        standing.append(f"nothing undoes {_listed(forgotten)}")
    if tried:
        standing.append(f"undoing {_listed(tried)} failed too")
    sentence = " and ".join(standing)
    service, operation = spans.services[saga.conductor], spans.names[saga.conductor]
    return Finding(
        detector=SAGA_UNCOMPENSATED.identifier,
        severity=FindingSeverity.CRITICAL if saga.is_named else FindingSeverity.INFO,
        trace_id=explanation.trace_id,
        span_ids=tuple(
            dict.fromkeys((*(spans.span_ids[step] for step in saga.left), *told.span_ids))
        )[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=told.undoing_ns,
        reason=(
            f"{told.failure} {sentence[0].upper()}{sentence[1:]}: what was done there stands."
            + (f" {told.undone}" if told.undone else "")
        ),
        action=(
            f"Undo {_listed([*forgotten, *tried])} by hand where it stands now. Then give each "
            "step its compensation, and repeat a compensation that fails until it works."
        ),
        fingerprint=fingerprint_of(
            SAGA_UNCOMPENSATED.identifier,
            service,
            operation,
            *sorted(spans.names[step] for step in saga.left),
        ),
    )


class _Told(NamedTuple):
    """What both findings say of a saga: where the failure began, sentences about what failed
    and what was undone (empty for nothing), the path time of undoing, and the evidence."""

    origin: int
    failure: str
    undone: str
    undoing_ns: int
    span_ids: tuple[int, ...]


def _told(explanation: Explanation, failures: Failures, saga: _Saga) -> _Told:
    spans = explanation.spans
    chain = from_origin(explanation, failures, saga.failed)
    origin = chain[0]
    undoings = sorted(set(saga.undone.values()), key=lambda u: (spans.starts[u], u))
    undoing_ns = path_time(explanation, undoings)
    words = chain_words(spans, chain)
    completed = _listed([_step_name(spans, step) for step in saga.completed])
    failure = (
        f"{named(spans.services[saga.conductor])} › {named(spans.names[saga.conductor])} fails at "
        f"{_step_name(spans, saga.failed)}, in {named(spans.services[origin])} › "
        f"{named(spans.names[origin])}"
        + (f" ({words})" if words else "")
        + f", after {counted(len(saga.completed), 'completed step')} ({completed})."
    )
    taken_back = [
        f"{_step_name(spans, step)} by {_undoing_name(explanation, saga.undone[step])}"
        for step in reversed(saga.completed)
        if step in saga.undone and step not in saga.left
    ]
    undone = ""
    if taken_back:
        undone = f"Undone: {_listed(taken_back)}, in {duration_text(undoing_ns)} of the path."
    evidence = (*chain, *undoings, *saga.completed, saga.conductor)
    span_ids = tuple(dict.fromkeys(spans.span_ids[i] for i in evidence))[:_MOST_SPAN_IDS]
    return _Told(origin, failure, undone, undoing_ns, span_ids)


def _step_name(spans: PathSpans, step: int) -> str:
    """`charge` for `saga step charge`; any other name as it is."""
    name = spans.names[step]
    for prefix in ("saga step ", "saga.step."):
        if name.startswith(prefix) and len(name) > len(prefix):
            return named(name[len(prefix) :])
    return named(name)


def _only_softens(spans: PathSpans, undoing: int) -> bool:
    """Whether an undoing says of itself that what was done cannot be taken back."""
    return spans.text(undoing, _OUTCOME) == "impossible"


def _undoing_name(explanation: Explanation, undoing: int) -> str:
    """The undoing, or the call that it consists of."""
    spans = explanation.spans
    calls = [
        child
        for child in explanation.tree.children[undoing]
        if spans.kinds[child] in (SpanKind.CLIENT, SpanKind.PRODUCER)
        and spans.text(child, DB_SYSTEM) is None
    ]
    name = named(spans.names[calls[-1] if calls else undoing])
    if _only_softens(spans, undoing):
        return f"{name} (which can only soften it)"
    return f"{name} (which failed)" if spans.status_codes[undoing] == StatusCode.ERROR else name


def _listed(words: list[str]) -> str:
    if not words:
        return "none"
    shown = words[:_MOST_STEPS_IN_WORDS]
    if len(words) > len(shown):
        shown.append(f"{len(words) - len(shown)} more")
    return ", ".join(shown)


SAGA_COMPENSATION = Detector(
    "saga_compensation",
    "A saga failed and was undone",
    "A span conducted steps (calls, messages, inner spans), one failed, and later ones took back "
    "earlier ones: by the words of their names (reserve and release, charge and refund, POST and "
    "DELETE of the same thing, cancel, undo, compensate). The saving is the path time of undoing. "
    "The service named is where the step's failure began. A warning.",
    _compensated,
    needs_failure=True,
)
SAGA_UNCOMPENSATED = Detector(
    "saga_uncompensated",
    "A saga failed and was not undone",
    "As saga_compensation, but a completed step was never taken back, or taking it back failed; "
    "then this tells all of the story. Critical for "
    "steps of what calls itself a saga and for binding ones (charge, reserve, book …) where "
    "other steps were taken back; information where nothing was.",
    _uncompensated,
    needs_failure=True,
)

DETECTORS: tuple[Detector, ...] = (SAGA_UNCOMPENSATED, SAGA_COMPENSATION)
