"""Timeouts: calls that were given up, and callees that go on longer than anybody waits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from longpole.analyzer.calls import peer_of
from longpole.analyzer.critical_path import DetachReason
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.failures import ERROR_TYPE, http_status
from longpole.analyzer.findings.survey import Survey, survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import Finding
from longpole.model.span import SpanKind, StatusCode

TIMEOUT, INVERSION = "client_timeout", "timeout_inversion"
_SAYS_TIMEOUT = re.compile(
    r"time[ds]?[ _-]?out|deadline[ _]?exceeded|\b504\b|gateway[ _]timeout|etimedout", re.IGNORECASE
)
_GRPC_STATUS = ("rpc.grpc.status_code",)
_DEADLINE_EXCEEDED = "4"
_HTTP_TIMEOUTS = (408, 504)
_TOLERANCE_NS = 1_000_000
# A server's span ends a little after its answer, the more so on a busy machine.
_SHORTEST_ORPHAN_NS = 50_000_000
_ORPHAN_SHARE = 10  # of the time the caller waited, one part in so many


def timed_out_calls(explanation: Explanation) -> list[int]:
    """Calls that their caller gave up. A timeout further down whose failure came back as an
    answer is that of the caller further down, not of those above."""
    spans = explanation.spans
    if StatusCode.ERROR not in spans.status_codes:
        return []
    return [
        index
        for index in spans.failed()
        if spans.kinds[index] == SpanKind.CLIENT
        and not _was_answered(explanation, index)
        and (_says_timeout(spans, index) or _was_left_behind(explanation, index))
    ]


def _says_timeout(spans: PathSpans, index: int) -> bool:
    return (
        _SAYS_TIMEOUT.search(spans.text(index, ERROR_TYPE) or "") is not None
        or _SAYS_TIMEOUT.search(spans.status_messages[index]) is not None
        or http_status(spans, index) in _HTTP_TIMEOUTS
        or spans.text(index, _GRPC_STATUS) == _DEADLINE_EXCEEDED
    )


def _was_answered(explanation: Explanation, call: int) -> bool:
    """Whether the callee's span ended while the call still waited."""
    spans, end = explanation.spans, explanation.spans.ends[call]
    return any(
        spans.kinds[child] == SpanKind.SERVER
        and child not in explanation.detached
        and spans.ends[child] <= end - min(_TOLERANCE_NS, (end - spans.starts[call]) // 100)
        for child in explanation.tree.children[call]
    )


def _was_left_behind(explanation: Explanation, call: int) -> bool:
    """Whether the callee went on for so long after a failed call that it was not just ending."""
    callee = _runs_on(explanation, call)
    if callee is None:
        return False
    spans = explanation.spans
    waited = spans.ends[call] - spans.starts[call]
    after = spans.ends[callee] - spans.ends[call]
    return after >= max(_SHORTEST_ORPHAN_NS, waited // _ORPHAN_SHARE)


def _runs_on(explanation: Explanation, call: int) -> int | None:
    """The callee's span that went on after the call had ended, the last one of several."""
    spans = explanation.spans
    late = [
        child
        for child in explanation.tree.children[call]
        if explanation.detached.get(child) is DetachReason.OUTLIVES_PARENT
        and spans.kinds[child] == SpanKind.SERVER
    ]
    return max(late, key=lambda c: (spans.ends[c], c), default=None)


def _given_up(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    calls = timed_out_calls(explanation)
    if not calls:
        return
    survey, spans = survey_of(explanation), explanation.spans
    alike: dict[tuple[str, str, str], list[int]] = {}
    for call in calls:
        key = (spans.services[call], spans.names[call], _callee(explanation, call))
        alike.setdefault(key, []).append(call)
    for (service, _, peer), same in alike.items():
        same.sort(key=lambda c: (-survey.durations[c], c))
        yield _timeout(explanation, survey, same, named(service), named(peer))


def _timeout(
    explanation: Explanation, survey: Survey, calls: list[int], service: str, peer: str
) -> Finding:
    spans = explanation.spans
    waited = duration_text(survey.durations[calls[0]])
    times = "" if len(calls) == 1 else f" {counted(len(calls), 'time')}, the longest"
    callee = _runs_on(explanation, calls[0])
    work = "."
    if callee is not None:
        orphaned = duration_text(spans.ends[callee] - spans.ends[calls[0]])
        work = f"; {peer} went on for {orphaned} after that, for nobody."
    return found(
        explanation,
        TIMEOUT,
        calls[0],
        [*calls, *([callee] if callee is not None else [])],
        saving_ns=sum(survey.path_ns(call) for call in calls),
        reason=f"{service} gave up waiting for {peer or 'an answer'}{times} after {waited}{work}",
        action=f"Find out what {peer or 'the callee'} does so long; pass the deadline on so that "
        "it stops in time, and answer with a fallback where one will do.",
        where=(peer,),
    )


def _callee(explanation: Explanation, call: int) -> str:
    spans = explanation.spans
    own = spans.services[call]
    below = (spans.services[c] for c in explanation.tree.children[call])
    return next((service for service in below if service != own), None) or (
        peer_of(spans, call) or ""
    )


def _inversions(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    calls = timed_out_calls(explanation)
    if not calls:
        return
    survey, spans = survey_of(explanation), explanation.spans
    for outer in calls:
        inner = _outwaits(explanation, survey, outer)
        if inner is None:
            continue
        peer = named(_callee(explanation, inner) or spans.names[inner])
        waited, inside = (duration_text(survey.durations[i]) for i in (outer, inner))
        caller, callee = (named(spans.services[i]) for i in (outer, inner))
        yield found(
            explanation,
            INVERSION,
            inner,
            [inner, outer],
            saving_ns=0,
            reason=f"{caller} gives up after {waited}, but {callee} itself waits for {peer} for "
            f"{inside}: whatever comes then, nobody is there to take it.",
            action=f"Make the timeout of {callee} for {peer} shorter than the one that {caller} "
            "has for the whole, best by passing the deadline on.",
            where=(spans.services[outer], peer),
            matters_off_path=True,
        )


def _outwaits(explanation: Explanation, survey: Survey, outer: int) -> int | None:
    """A call made for `outer` by its callee that waited longer than `outer` did, and beyond
    its end; the longest one."""
    spans, children = explanation.spans, explanation.tree.children
    longest: int | None = None
    waiting = list(children[outer])
    while waiting:
        index = waiting.pop()
        waiting.extend(children[index])
        if (
            spans.kinds[index] == SpanKind.CLIENT
            and spans.services[index] != spans.services[outer]
            and survey.durations[index] >= survey.durations[outer]
            and spans.ends[index] > spans.ends[outer] + _TOLERANCE_NS
            and (longest is None or survey.durations[index] > survey.durations[longest])
        ):
            longest = index
    return longest


DETECTORS: tuple[Detector, ...] = (
    Detector(
        TIMEOUT,
        "Timeouts",
        "A call fails with a timeout (by its error type, status 504, 408 or DEADLINE_EXCEEDED, "
        "or its message), or fails while the callee's span goes on well after it. A call that was "
        "answered in time, if only with the news of a timeout further down, does not count.",
        _given_up,
        needs_failure=True,
    ),
    Detector(
        INVERSION,
        "Timeout inversion",
        "Below a call that was given up, the callee made a call that waited at least as long "
        "and beyond its end: the inner timeout is not shorter than the outer one.",
        _inversions,
        needs_failure=True,
    ),
)
