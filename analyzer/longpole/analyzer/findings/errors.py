"""Errors: those that go from where they begin up to the user, and those that somebody absorbs."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.calls import peer_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.circuit_open import is_circuit_refusal
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.failures import (
    Failures,
    chain_words,
    error_words,
    failures_of,
    from_origin,
    is_answer,
    is_failed,
    lets_through,
)
from longpole.analyzer.findings.path_time import path_time
from longpole.analyzer.findings.sagas import conductors
from longpole.analyzer.findings.survey import survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import counted, duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind, StatusCode

_MOST_SPAN_IDS = 50
_MOST_SERVICES_IN_WORDS = 4
_CALLS = (int(SpanKind.CLIENT), int(SpanKind.PRODUCER))


def _failures(explanation: Explanation) -> Failures:
    """The chains of failure, followed once for all rules of this file."""
    noted = survey_of(explanation).noted
    found: Failures | None = noted.get("failures_of")
    if found is None:
        found = noted["failures_of"] = failures_of(explanation)
    return found


def _propagated(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans = explanation.spans
    if StatusCode.ERROR not in spans.status_codes:
        return
    failures = _failures(explanation)
    for top in _tops(explanation):
        if failures.depths[top] and is_failed(spans, top):
            chain = from_origin(explanation, failures, top)
            if _crosses(explanation, chain):
                yield _propagation(explanation, chain, thresholds)
    groups: dict[tuple[str, ...], tuple[list[int], int]] = {}
    for index, absorber in _absorbed_errors(explanation):
        part = _failed_part(explanation, failures, index)
        if part is not None:
            found = (*_place(spans, part[0]), *_place(spans, index), *_place(spans, absorber))
            groups.setdefault(found, (part, absorber))
    for place in sorted(groups):
        yield _propagation(explanation, groups[place][0], thresholds, groups[place][1])


def _tops(explanation: Explanation) -> list[int]:
    """Where a chain can end: at roots, and at what takes a message, for which nobody waits."""
    spans, tree = explanation.spans, explanation.tree
    tops = set(tree.roots)
    tops.update(i for i, kind in enumerate(spans.kinds) if kind == SpanKind.CONSUMER)
    return sorted(tops)


def _crosses(explanation: Explanation, chain: list[int]) -> bool:
    """Whether a failure came over from elsewhere, and no other detector has the word."""
    spans, origin = explanation.spans, chain[0]
    if is_circuit_refusal(spans, origin) or _is_only_no(spans, chain):
        return False
    services = {spans.services[i] for i in chain}
    return len(services) > 1 or _outside(explanation, origin) is not None


def _failed_part(explanation: Explanation, failures: Failures, index: int) -> list[int] | None:
    """The chain below a failed part of a service's work, if that failed because another service
    did. A call that failed and was replaced is a smaller thing: an absorbed error."""
    spans = explanation.spans
    if spans.kinds[index] not in (SpanKind.INTERNAL, SpanKind.UNSPECIFIED):
        return None
    chain = from_origin(explanation, failures, index)
    has_come_over = spans.services[chain[0]] != spans.services[index]
    return chain if has_come_over and _crosses(explanation, chain) else None


def _place(spans: PathSpans, index: int) -> tuple[str, str]:
    return spans.services[index], spans.names[index]


def _propagation(
    explanation: Explanation,
    chain: list[int],
    thresholds: Thresholds,
    absorber: int = NO_PARENT,
) -> Finding:
    spans = explanation.spans
    origin, top = chain[0], chain[-1]
    services = list(dict.fromkeys(spans.services[i] for i in chain))
    outside = _outside(explanation, origin)
    severity = FindingSeverity.INFO
    if absorber == NO_PARENT and spans.status_codes[top] == StatusCode.ERROR:
        is_wide = len(services) >= thresholds.error_critical_services
        severity = FindingSeverity.CRITICAL if is_wide else FindingSeverity.WARNING
    service, operation = _place(spans, origin)
    where = f"{named(service)} › {named(operation)}"
    failed = sum(spans.status_codes[i] == StatusCode.ERROR for i in chain)
    end = ""
    if absorber != NO_PARENT:
        above, name = _place(spans, absorber)
        end = f" {named(above)} › {named(name)} itself ends without an error."
    return Finding(
        detector=ERROR_PROPAGATION.identifier,
        severity=severity,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in chain)[:_MOST_SPAN_IDS],
        service=service,
        operation=operation,
        saving_ns=0,
        reason=(
            f"{where} fails{_in_brackets(chain_words(spans, chain))}, and the error goes "
            f"{_route(spans, services, outside, top)}: {counted(failed, 'failed span')} in "
            f"{counted(len(services), 'service')}.{end}"
        ),
        action=(
            f"Mend the cause in {where}"
            + (f", or in {named(outside)}, which it calls" if outside is not None else "")
            + ". So that one failing part does not fail all of the request, give its caller a "
            "fallback, or leave the part out of the answer."
        ),
        fingerprint=fingerprint_of(
            ERROR_PROPAGATION.identifier, service, operation, *_place(spans, top)
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
    pairs = _absorbed_errors(explanation)
    if not pairs:
        return
    failures = _failures(explanation)
    groups: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for index, absorber in pairs:
        if _failed_part(explanation, failures, index) is None:
            found = (*_place(spans, index), *_place(spans, absorber))
            groups.setdefault(found, []).append((index, absorber))
    for place in sorted(groups):
        yield _absorption(explanation, groups[place])


def _absorbed_errors(explanation: Explanation) -> list[tuple[int, int]]:
    """What `_found_absorbed` says, asked once for both rules."""
    noted = survey_of(explanation).noted
    pairs: list[tuple[int, int]] | None = noted.get("absorbed_errors")
    if pairs is None:
        pairs = noted["absorbed_errors"] = list(_found_absorbed(explanation))
    return pairs


def _found_absorbed(explanation: Explanation) -> Iterator[tuple[int, int]]:
    """Pairs (failed span, the span that went on as if it had not). Sagas that were undone, or
    should have been, have findings of their own."""
    spans = explanation.spans
    absorbers = _Absorbers(explanation)
    told = conductors(explanation)
    for index in spans.failed():
        if spans.kinds[index] == SpanKind.CONSUMER or index in told:
            continue
        absorber = absorbers.of(index)
        if absorber == NO_PARENT or is_answer(spans, index) or is_circuit_refusal(spans, index):
            continue
        yield index, absorber


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
    "spans counts as one. A warning, critical from `error_critical_services` services on; only "
    "information when the root answered 4xx, or when a part of a service's work failed because "
    "of another service and the request went on. An answer that says no (404 and the like) and "
    "is only passed on is no failure.",
    _propagated,
    needs_failure=True,
)
ABSORBED_ERROR = Detector(
    "absorbed_error",
    "An error is absorbed",
    "A span failed, and the span that waited for it ended without an error. Not for answers that "
    "say no (404 and the like), when a later attempt at the same call succeeded, or for what "
    "`error_propagation` tells. Information.",
    _absorbed,
    needs_failure=True,
)

DETECTORS: tuple[Detector, ...] = (ERROR_PROPAGATION, ABSORBED_ERROR)
