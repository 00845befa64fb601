"""Open circuit breakers, by the words that libraries use."""

from __future__ import annotations

import pytest

from longpole.analyzer.findings.circuit_open import CIRCUIT_OPEN
from longpole.analyzer.findings.errors import ABSORBED_ERROR, ERROR_PROPAGATION
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, INTERNAL, SERVER, Story

REFUSALS = [
    ("io.github.resilience4j.circuitbreaker.CallNotPermittedException", ""),
    ("", "CircuitBreaker 'payment' is OPEN and does not permit further calls"),
    ("Polly.CircuitBreaker.BrokenCircuitException", "The circuit is now open"),
    ("Polly.CircuitBreaker.IsolatedCircuitException", ""),
    ("org.eclipse.microprofile.faulttolerance.exceptions.CircuitBreakerOpenException", ""),
    ("pybreaker.CircuitBreakerError", "Timeout not elapsed yet, circuit breaker still open"),
    ("", "circuit breaker is open"),
    ("", "circuit breaker 'payment' is half-open"),
    ("EOPENBREAKER", "Breaker is open"),
    ("", "Hystrix circuit short-circuited and is OPEN"),
    ("CircuitOpen", "circuit breaker payment-service is open"),
    ("com.alibaba.csp.sentinel.slots.block.degrade.DegradeException", ""),
]
OTHERS = [
    ("ConnectionError", "connection refused"),
    ("503", "Service Unavailable"),
    ("", "short circuit in sensor 4"),
    ("", "file is open"),
    ("ShortCircuitError", "the wire is hot"),
]


def refused(error_type: str, message: str, *, took_ms: float = 0.1, name: str = "Charge") -> Story:
    story = Story()
    root = story.add(0, 0, 20, "order", "POST /orders", SERVER, error=message)
    attributes = {"error.type": error_type} if error_type else {}
    story.add(
        root, 1, 1 + took_ms, "order", name, CLIENT,
        error=message, attributes={**attributes, "peer.service": "payment"},
    )  # fmt: skip
    return story


@pytest.mark.parametrize(("error_type", "message"), REFUSALS)
def test_each_library_is_understood(error_type: str, message: str) -> None:
    finding = refused(error_type, message).only(CIRCUIT_OPEN)
    assert (finding.service, finding.operation) == ("payment", "Charge")
    assert finding.severity is FindingSeverity.CRITICAL
    assert finding.span_ids == (2,)


@pytest.mark.parametrize(("error_type", "message"), OTHERS)
def test_other_failures_are_no_breakers(error_type: str, message: str) -> None:
    assert not refused(error_type, message).findings(CIRCUIT_OPEN)


def test_the_reason_says_who_refuses_whom_how_fast() -> None:
    finding = refused("CircuitOpen", "circuit breaker payment is open").only(CIRCUIT_OPEN)
    assert finding.reason == (
        "The circuit breaker of order refuses payment › Charge once, within 100 µs and without "
        "calling (circuit breaker payment is open): the calls before failed too often."
    )
    assert finding.action.startswith("Find out why payment failed before the breaker opened.")


def test_a_call_that_took_its_time_was_made() -> None:
    assert not refused("", "circuit breaker is open", took_ms=8).findings(CIRCUIT_OPEN)


def test_a_call_that_reached_its_callee_was_made() -> None:
    story = Story()
    story.call(0, 0, 3, "order > payment", "Charge", error="circuit breaker bank is open")
    found = story.findings(CIRCUIT_OPEN)
    assert [finding.span_ids for finding in found] == [(2,)], "the callee's own breaker refused"


def test_refusals_that_travel_up_are_told_where_they_began() -> None:
    story = Story()
    words = "circuit breaker payment is open"
    root = story.add(0, 0, 20, "gateway", "POST /orders", SERVER, error=words)
    _, order = story.call(root, 1, 19, "gateway > order", "POST /v1/orders", error=words)
    inner = story.add(order, 2, 18, "order", "saga", INTERNAL, error=words)
    for start in (3, 5, 7):
        story.add(
            inner, start, start + 0.2, "order", "Charge", CLIENT,
            error=words, attributes={"peer.service": "payment"},
        )  # fmt: skip
    finding = story.only(CIRCUIT_OPEN)
    assert finding.span_ids == (5, 6, 7)
    assert "payment › Charge 3 times, within 200 µs" in finding.reason


def test_a_breaker_without_a_span_of_its_own_is_seen_on_the_span_around_it() -> None:
    story = Story()
    story.add(
        0, 0, 20, "order", "POST /orders", SERVER,
        error="", attributes={"error.type": "CallNotPermittedException"},
    )  # fmt: skip
    finding = story.only(CIRCUIT_OPEN)
    assert finding.service == "order"
    assert "Find out why the callee failed" in finding.action


def test_a_refusal_is_not_told_twice_as_an_error() -> None:
    story = refused("CircuitOpen", "circuit breaker payment is open")
    assert not story.findings(ERROR_PROPAGATION)
    assert not story.findings(ABSORBED_ERROR)
