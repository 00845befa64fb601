"""The circuit breaker: its states, over real HTTP, and what can be seen of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind, StatusCode

from shop.chassis.breaker import Breaker, Permit, State
from shop.chassis.caller import HttpCaller
from shop.chassis.errors import (
    CircuitOpen,
    DependencyTimeout,
    DependencyUnavailable,
    NotFound,
    ShopError,
)
from shop.chassis.ports import CallPolicy
from tests.shop.calls.seen import Seen, attributes, event_names
from tests.shop.calls.servers import Here, Time, patient, serving, shop_app

POLICY = patient(max_attempts=1, breaker_failures=3, breaker_open_seconds=5.0)


class Payments:
    """A service that does what `answer` does, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], None] = lambda: None
        self.app = shop_app()

        @self.app.get("/v1/charges")
        def charges() -> list[str]:
            self.asked += 1
            self.answer()
            return []

    def fail(self) -> None:
        raise DependencyUnavailable("payment-service", "down for now")


@pytest.fixture
def payments() -> Payments:
    return Payments()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def caller(payments: Payments, time: Time, seen: Seen) -> Iterator[HttpCaller]:
    with ExitStack() as stack:
        address = stack.enter_context(serving(payments.app))
        caller = HttpCaller(
            "payment-service",
            POLICY,
            Here(address),
            clock=time.clock,
            sleep=time.sleep,
            tracer_provider=seen.tracer_provider,
            meter_provider=seen.meter_provider,
        )
        stack.callback(caller.close)
        yield caller


def state_of(breaker: Breaker) -> State:
    # A function, because a type checker takes a property to stay as it was once compared.
    return breaker.state


def ask(caller: HttpCaller, expected: type[ShopError] | None = None) -> None:
    if expected is None:
        caller.request("GET", "/v1/charges")
        return
    with pytest.raises(expected) as caught:
        caller.request("GET", "/v1/charges")
    assert type(caught.value) is expected


def opened(caller: HttpCaller, payments: Payments) -> None:
    payments.answer = payments.fail
    for _ in range(POLICY.breaker_failures):
        ask(caller, DependencyUnavailable)


def test_failures_in_a_row_open_the_breaker_and_nothing_is_sent(
    caller: HttpCaller, payments: Payments
) -> None:
    opened(caller, payments)
    assert state_of(caller.guard.breaker) is State.OPEN
    for _ in range(10):
        ask(caller, CircuitOpen)
    assert payments.asked == POLICY.breaker_failures


def test_a_success_in_between_starts_the_count_anew(caller: HttpCaller, payments: Payments) -> None:
    for _ in range(4):
        payments.answer = payments.fail
        ask(caller, DependencyUnavailable)
        ask(caller, DependencyUnavailable)
        payments.answer = lambda: None
        ask(caller)
    assert state_of(caller.guard.breaker) is State.CLOSED


def test_an_open_breaker_lets_one_call_try_and_closes_when_it_succeeds(
    caller: HttpCaller, payments: Payments, time: Time
) -> None:
    opened(caller, payments)
    arrived, let_go = threading.Event(), threading.Event()

    def linger() -> None:
        arrived.set()
        assert let_go.wait(10)

    payments.answer = linger
    time.now += 5.0
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(caller.request, "GET", "/v1/charges")
        assert arrived.wait(10)
        for _ in range(5):
            ask(caller, CircuitOpen)
        assert state_of(caller.guard.breaker) is State.HALF_OPEN
        let_go.set()
        assert trial.result(10).status_code == 200
    assert state_of(caller.guard.breaker) is State.CLOSED
    assert payments.asked == POLICY.breaker_failures + 1


def test_a_failed_trial_opens_again_for_the_whole_time(
    caller: HttpCaller, payments: Payments, time: Time
) -> None:
    opened(caller, payments)
    time.now += 5.0
    ask(caller, DependencyUnavailable)
    time.now += 4.9
    ask(caller, CircuitOpen)
    time.now += 0.2
    payments.answer = lambda: None
    ask(caller)
    ask(caller)
    assert state_of(caller.guard.breaker) is State.CLOSED


def test_a_timeout_is_a_failure(payments: Payments, time: Time) -> None:
    let_go = threading.Event()
    payments.answer = lambda: None if let_go.wait(10) else None
    policy = CallPolicy(timeout_seconds=0.1, max_attempts=1, breaker_failures=2)
    with ExitStack() as stack:
        address = stack.enter_context(serving(payments.app))
        stack.callback(let_go.set)
        caller = HttpCaller("payment-service", policy, Here(address), clock=time.clock)
        stack.callback(caller.close)
        ask(caller, DependencyTimeout)
        ask(caller, DependencyTimeout)
        ask(caller, CircuitOpen)


def test_an_answer_that_says_no_is_no_failure(caller: HttpCaller, payments: Payments) -> None:
    def unknown() -> None:
        raise NotFound("no such charge")

    payments.answer = unknown
    for _ in range(10):
        ask(caller, NotFound)
    assert state_of(caller.guard.breaker) is State.CLOSED


def test_an_error_that_names_another_service_does_not_open_the_breaker_of_this_one(
    caller: HttpCaller, payments: Payments
) -> None:
    def bank_is_down() -> None:
        raise DependencyUnavailable("bank", "closed")

    payments.answer = bank_is_down
    for _ in range(10):
        with pytest.raises(DependencyUnavailable) as caught:
            caller.request("GET", "/v1/charges")
        assert caught.value.dependency == "bank"
    assert state_of(caller.guard.breaker) is State.CLOSED


def test_calls_run_side_by_side_behind_one_breaker(caller: HttpCaller, payments: Payments) -> None:
    # Nobody gets through the barrier unless all four are in the service at once.
    barrier = threading.Barrier(4)
    payments.answer = lambda: None if barrier.wait(10) >= 0 else None
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(caller.request, "GET", "/v1/charges") for _ in range(4)]
        assert [call.result(10).status_code for call in calls] == [200] * 4


def test_a_policy_without_failures_switches_the_breaker_off(payments: Payments, seen: Seen) -> None:
    payments.answer = payments.fail
    with ExitStack() as stack:
        address = stack.enter_context(serving(payments.app))
        policy = patient(max_attempts=1, breaker_failures=0)
        caller = HttpCaller(
            "payment-service", policy, Here(address), tracer_provider=seen.tracer_provider
        )
        stack.callback(caller.close)
        for _ in range(20):
            ask(caller, DependencyUnavailable)
    assert payments.asked == 20
    assert not any("circuit_breaker.name" in attributes(span) for span in seen.client_spans())


def test_a_rejected_call_is_a_client_span_that_says_why(
    caller: HttpCaller, payments: Payments, seen: Seen
) -> None:
    opened(caller, payments)
    with seen.tracer.start_as_current_span("checkout") as checkout:
        ask(caller, CircuitOpen)
    rejected = seen.client_spans()[-1]
    assert rejected.name == "GET /v1/charges"
    assert attributes(rejected) == {
        "circuit_breaker.name": "payment-service",
        "circuit_breaker.state": "open",
        "server.address": "payment-service",
        "service.peer.name": "payment-service",
        "peer.service": "payment-service",
        "error.type": "CircuitOpen",
    }
    assert event_names(rejected) == ["circuit_breaker.rejected"]
    assert rejected.status.status_code is StatusCode.ERROR
    assert rejected.status.description == "circuit breaker payment-service is open"
    assert rejected.parent == checkout.get_span_context()


def test_transitions_are_events_of_the_calling_span_and_counted(
    caller: HttpCaller, payments: Payments, time: Time, seen: Seen
) -> None:
    with seen.tracer.start_as_current_span("checkout", kind=SpanKind.SERVER):
        opened(caller, payments)
        assert list(seen.points("shop.circuit_breaker.state").values()) == [2]
        time.now += 5.0
        payments.answer = lambda: None
        ask(caller)
    (checkout,) = seen.spans("checkout")
    changes = [
        (
            (event.attributes or {})["circuit_breaker.previous_state"],
            (event.attributes or {})["circuit_breaker.state"],
        )
        for event in checkout.events
    ]
    assert set(event_names(checkout)) == {"circuit_breaker.state_change"}
    assert changes == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
    assert list(seen.points("shop.circuit_breaker.transitions").values()) == [1, 1, 1]
    assert list(seen.points("shop.circuit_breaker.state").values()) == [0]
    assert seen.unit("shop.circuit_breaker.state") == "{state}"
    states = [attributes(span)["circuit_breaker.state"] for span in seen.client_spans()]
    assert states == ["closed", "closed", "closed", "half_open"]


def test_an_answer_from_before_a_change_does_not_count() -> None:
    time = Time()
    breaker = Breaker("payment-service", time.clock)
    slow_failure, slow_success = breaker.admit(5), breaker.admit(5)
    for permit in (breaker.admit(5), breaker.admit(5)):
        breaker.failed(permit, 2)
    assert state_of(breaker) is State.OPEN
    breaker.succeeded(slow_success)
    assert state_of(breaker) is State.OPEN
    time.now += 5.0
    trial = breaker.admit(5)
    breaker.failed(slow_failure, 2)
    assert state_of(breaker) is State.HALF_OPEN
    breaker.succeeded(trial)
    assert state_of(breaker) is State.CLOSED


@given(st.lists(st.sampled_from(["ask", "succeed", "fail", "wait"]), max_size=60))
def test_whatever_happens_at_most_one_trial_is_under_way(happenings: list[str]) -> None:
    time = Time()
    breaker = Breaker("payment-service", time.clock)
    under_way: list[Permit] = []
    for what in happenings:
        if what == "wait":
            time.now += 2.5
        elif what == "ask":
            try:
                under_way.append(breaker.admit(5.0))
            except CircuitOpen:
                assert state_of(breaker) is not State.CLOSED
        elif under_way:
            permit = under_way.pop(0)
            if what == "succeed":
                breaker.succeeded(permit)
            else:
                breaker.failed(permit, 2)
        trials = [one for one in under_way if one.state is State.HALF_OPEN]
        assert len(trials) == (breaker.state is State.HALF_OPEN)
