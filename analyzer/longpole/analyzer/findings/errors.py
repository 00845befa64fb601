"""Errors: those that go from where they begin up to the user, and those that somebody absorbs."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.calls import peer_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.circuit_open import is_circuit_refusal
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.failures import (
    Failures,
    error_words,
    failures_of,
    is_answer,
    is_failed,
    lets_through,
)
from longpole.analyzer.findings.path_time import path_time
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind, StatusCode

_MOST_SPAN_IDS = 50
_MOST_SERVICES_IN_WORDS = 4
_CALLS = (int(SpanKind.CLIENT), int(SpanKind.PRODUCER))


def _propagated(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans = explanation.spans
    if StatusCode.ERROR not in spans.status_codes:
        return
    failures = failures_of(explanation)
    for top in _tops(explanation):
        if not failures.depths[top] or not is_failed(spans, top):
            continue
        finding = _propagation(explanation, failures, top, thresholds)
        if finding is not None:
            yield finding


def _tops(explanation: Explanation) -> list[int]:
    """Where a chain can end: at roots, and at what takes a message, for which nobody waits."""
    spans, tree = explanation.spans, explanation.tree
    tops = set(tree.roots)
    tops.update(i for i, kind in enumerate(spans.kinds) if kind == SpanKind.CONSUMER)
    return sorted(tops)


def _propagation(
    explanation: Explanation, failures: Failures, top: int, thresholds: Thresholds
) -> Finding | None:
    spans = explanation.spans
    chain = failures.chain(top)
    origin = chain[-1]
    while lets_through(spans, origin):
        chain.pop()
        origin = chain[-1]
    if is_circuit_refusal(spans, origin) or _is_only_no(spans, chain):
        return None
    services = list(dict.fromkeys(spans.services[i] for i in reversed(chain)))
    outside = _outside(explanation, origin)
    if len(services) + (outside is not None) < 2:
        return None
    is_error = spans.status_codes[top] == StatusCode.ERROR
    severity = FindingSeverity.WARNING if is_error else FindingSeverity.INFO
    if is_error and len(services) >= thresholds.error_critical_services:
        severity = FindingSeverity.CRITICAL
    service, operation = spans.services[origin], spans.names[origin]
    where = f"{named(service)} › {named(operation)}"
    failed = sum(spans.status_codes[i] == StatusCode.ERROR for i in chain)
    return Finding(
        detector=ERROR_PROPAGATION.identifier,
        severity=severity,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in reversed(chain))[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=0,
        reason=(
            f"{where} fails{_in_brackets(error_words(spans, origin))}, and the error goes "
            f"{_route(spans, services, outside, top)}: {counted(failed, 'failed span')} in "
            f"{counted(len(services), 'service')}."
        ),
        action=(
            f"Mend the cause in {where}"
            + (f", or in {named(outside)}, which it calls" if outside is not None else "")
            + ". So that one failing part does not fail all of the request, give its caller a "
            "fallback, or leave the part out of the answer."
        ),
        fingerprint=fingerprint_of(
            ERROR_PROPAGATION.identifier,
            service,
            operation,
            spans.services[top],
            spans.names[top],
        ),
    )


def _is_only_no(spans: PathSpans, chain: list[int]) -> bool:
    """Whether a service said no, like a 404, and all the others did was to pass that on."""
    return all(spans.status_codes[i] != StatusCode.ERROR or is_answer(spans, i) for i in chain)


def _outside(explanation: Explanation, origin: int) -> str | None:
    """Whom a failed call went to, when that sent no span of its own."""
    spans = explanation.spans
    if spans.kinds[origin] not in _CALLS:
        return None
    if any(spans.services[c] != spans.services[origin] for c in explanation.tree.children[origin]):
        return None
    return peer_of(spans, origin)


def _route(spans: PathSpans, services: list[str], outside: str | None, top: int) -> str:
    end = f"{named(spans.services[top])} › {named(spans.names[top])}"
    between = [named(service) for service in services[1:-1]]
    left_out = len(between) - _MOST_SERVICES_IN_WORDS
    if left_out > 0:
        between = [*between[:_MOST_SERVICES_IN_WORDS], f"{left_out} more"]
    source = f"from {named(outside)} " if outside is not None else ""
    through = f"through {', '.join(between)} " if between else ""
    return f"{source}{through}up to {end}"


def _in_brackets(words: str) -> str:
    return f" ({words})" if words else ""


def _absorbed(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
    spans = explanation.spans
    if StatusCode.ERROR not in spans.status_codes:
        return
    absorbers = _Absorbers(explanation)
    groups: dict[tuple[str, str, str, str], list[tuple[int, int]]] = {}
    for index, code in enumerate(spans.status_codes):
        if code != StatusCode.ERROR or spans.kinds[index] == SpanKind.CONSUMER:
            continue
        absorber = absorbers.of(index)
        if absorber == NO_PARENT or is_answer(spans, index) or is_circuit_refusal(spans, index):
            continue
        key = (
            spans.services[index],
            spans.names[index],
            spans.services[absorber],
            spans.names[absorber],
        )
        groups.setdefault(key, []).append((index, absorber))
    for key in sorted(groups):
        yield _absorption(explanation, groups[key])


class _Absorbers:
    """Who goes on as if a span had not failed. What was found out about a span is kept, or many
    failures deep below would all climb the same way."""

    def __init__(self, explanation: Explanation) -> None:
        self._spans = explanation.spans
        self._tree = explanation.tree
        self._absorbers: dict[int, int] = {}
        # By parent: when the last successful call of each kind starts.
        self._successes: dict[int, dict[tuple[str, str, int], int]] = {}

    def of(self, failed: int) -> int:
        """The span that absorbs what goes wrong in `failed`; -1 when that gets to a root, fails
        the span above too, or was made good by a later attempt."""
        climbed: list[int] = []
        below, found = failed, NO_PARENT
        while True:
            if below in self._absorbers:
                found = self._absorbers[below]
                break
            climbed.append(below)
            above = self._tree.parents[below]
            if above == NO_PARENT:
                # A root that is silent about the error has absorbed it.
                found = below if below != failed else NO_PARENT
                break
            if is_failed(self._spans, above) or self._is_made_good(below, above):
                break
            if not lets_through(self._spans, above):
                found = above
                break
            below = above
        self._absorbers.update((index, found) for index in climbed)
        return found

    def _is_made_good(self, failed: int, parent: int) -> bool:
        """Whether the same call of the same parent succeeded later."""
        spans = self._spans
        latest = self._successes.get(parent)
        if latest is None:
            latest = self._successes[parent] = {}
            for other in self._tree.children[parent]:
                if spans.status_codes[other] != StatusCode.ERROR:
                    call = (spans.services[other], spans.names[other], spans.kinds[other])
                    latest[call] = max(latest.get(call, spans.starts[other]), spans.starts[other])
        call = (spans.services[failed], spans.names[failed], spans.kinds[failed])
        return call in latest and latest[call] >= spans.ends[failed]


def _absorption(explanation: Explanation, pairs: list[tuple[int, int]]) -> Finding:
    spans = explanation.spans
    failed = [index for index, _ in pairs]
    first, absorber = pairs[0]
    service, operation = spans.services[first], spans.names[first]
    saving_ns = path_time(explanation, failed)
    times = "" if len(failed) == 1 else f" {len(failed)} times"
    cost = f" The failed part holds {duration_text(saving_ns)} of the path." if saving_ns else ""
    return Finding(
        detector=ABSORBED_ERROR.identifier,
        severity=FindingSeverity.INFO,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in (*failed, absorber))[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=saving_ns,
        reason=(
            f"{named(service)} › {named(operation)} fails{times}"
            f"{_in_brackets(error_words(spans, first))}, and {named(spans.services[absorber])} › "
            f"{named(spans.names[absorber])} goes on without an error.{cost}"
        ),
        action=(
            "If that is the fallback at work, count how often it is used, and let the call fail "
            "fast; if nobody meant it, pass the error on instead of swallowing it."
        ),
        fingerprint=fingerprint_of(
            ABSORBED_ERROR.identifier,
            service,
            operation,
            spans.services[absorber],
            spans.names[absorber],
        ),
    )


ERROR_PROPAGATION = Detector(
    "error_propagation",
    "An error goes up to the user",
    "A root (or the consumer of a message) failed, and an unbroken chain of failed spans leads "
    "down to where it began, through two services or more; something that is called and sends no "
    "spans counts as one. A warning, critical from `error_critical_services` services on, and "
    "only information when the root answered 4xx. An answer that says no (404 and the like) and "
    "is only passed on is no failure.",
    _propagated,
)
ABSORBED_ERROR = Detector(
    "absorbed_error",
    "An error is absorbed",
    "A span failed, and the span that waited for it ended without an error. Not for answers that "
    "say no (404 and the like), nor when a later attempt at the same call succeeded. Information.",
    _absorbed,
)

DETECTORS: tuple[Detector, ...] = (ERROR_PROPAGATION, ABSORBED_ERROR)
