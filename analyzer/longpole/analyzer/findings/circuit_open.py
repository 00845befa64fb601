"""Open circuit breakers: calls that were refused before they were made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from longpole.analyzer.calls import peer_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector, fingerprint_of
from longpole.analyzer.findings.failures import ERROR_TYPE, error_words
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import NO_PARENT
from longpole.analyzer.wording import duration_text, named
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind, StatusCode

_MOST_SPAN_IDS = 50
# What the libraries call it: Resilience4j, Polly, MicroProfile, pybreaker, opossum, Sentinel,
# gobreaker ("circuit breaker is open"), Hystrix ("short-circuited and ..."), and most home-made.
_REFUSAL = re.compile(
    r"CallNotPermitted|BrokenCircuit|IsolatedCircuit|CircuitBreaker(?:Is)?(?:Open|Error)"
    r"|Circuit(?:Is)?Open|OpenCircuit|OpenBreaker|DegradeException|short-circuited"
    r"|(?:circuit[ _-]?)?breaker\b.{0,80}\b(?:is|in state|state)\b.{0,10}\b(?:half[ _-]?)?open\b"
    r"|circuit\b.{0,20}\bis\b.{0,10}\bopen\b",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_MESSAGE = 400


def is_circuit_refusal(spans: PathSpans, index: int) -> bool:
    """Whether a failed span says that a circuit breaker refused the call."""
    if spans.status_codes[index] != StatusCode.ERROR:
        return False
    error_type = spans.text(index, ERROR_TYPE)
    if error_type is not None and _speaks_of_refusal(error_type):
        return True
    message = spans.status_messages[index]
    return bool(message) and _speaks_of_refusal(message[:_LONGEST_MESSAGE])


@lru_cache(maxsize=4096)
def _speaks_of_refusal(text: str) -> bool:
    return _REFUSAL.search(text) is not None


def _open_circuits(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    spans, tree = explanation.spans, explanation.tree
    if StatusCode.ERROR not in spans.status_codes:
        return
    refused = [i for i in spans.failed() if is_circuit_refusal(spans, i)]
    if not refused:
        return
    # The words travel up with the error; the lowest span that has them is where the breaker is.
    told_from_below: set[int] = set()
    for index in refused:
        above = tree.parents[index]
        while above != NO_PARENT and above not in told_from_below:
            told_from_below.add(above)
            above = tree.parents[above]
    groups: dict[tuple[str, str], list[int]] = {}
    for index in refused:
        if index not in told_from_below and _was_not_made(explanation, index, thresholds):
            # One breaker stands before all operations of a callee.
            whom = peer_of(spans, index) or spans.names[index]
            groups.setdefault((spans.services[index], whom), []).append(index)
    for key in sorted(groups):
        yield _finding(explanation, key, groups[key])


def _was_not_made(explanation: Explanation, index: int, thresholds: Thresholds) -> bool:
    """A refused call is over at once and reaches nobody. Around a breaker inside of a service
    there may be other work, so that only calls are held to it."""
    spans = explanation.spans
    if spans.kinds[index] != SpanKind.CLIENT:
        return True
    is_short = spans.ends[index] - spans.starts[index] < thresholds.circuit_open_ns
    return is_short and not explanation.tree.children[index]


def _finding(explanation: Explanation, key: tuple[str, str], refused: list[int]) -> Finding:
    spans = explanation.spans
    caller, whom = key
    operation = spans.names[refused[0]]
    peer = peer_of(spans, refused[0])
    times = "once" if len(refused) == 1 else f"{len(refused)} times"
    longest = max(spans.ends[i] - spans.starts[i] for i in refused)
    what = f"{named(peer)} › {named(operation)}" if peer else named(operation)
    words = error_words(spans, refused[0])
    return Finding(
        detector=CIRCUIT_OPEN.identifier,
        severity=FindingSeverity.CRITICAL,
        trace_id=explanation.trace_id,
        span_ids=tuple(spans.span_ids[i] for i in refused)[:_MOST_SPAN_IDS],
        service=peer or caller,
        operation=operation,
        saving_ns=0,
        reason=(
            f"The circuit breaker of {named(caller)} refuses {what} {times}, within "
            f"{duration_text(longest)} and without calling ({words}): the calls before failed "
            "too often."
        ),
        action=(
            f"Find out why {named(peer) if peer else 'the callee'} failed before the breaker "
            f"opened. Until it is back, give {named(caller)} a fallback, or refuse the request "
            "before other work is done for it."
        ),
        fingerprint=fingerprint_of(CIRCUIT_OPEN.identifier, caller, whom),
    )


CIRCUIT_OPEN = Detector(
    "circuit_open",
    "A circuit breaker is open",
    "A span failed with the words of a circuit breaker (the exception names of Resilience4j, "
    "Polly, MicroProfile, pybreaker, opossum, Sentinel, Hystrix, or `circuit breaker … is open`) "
    "as its error type or message. A CLIENT span must be shorter than `circuit_open_ns` and "
    "without children; of nested spans that repeat the words only the lowest counts. Critical. "
    "The service named is the callee, where the call says who that is.",
    _open_circuits,
    needs_failure=True,
)

DETECTORS: tuple[Detector, ...] = (CIRCUIT_OPEN,)
