"""Retries: how long they wait, what is repeated, and that it happens at one level only."""

from __future__ import annotations

import threading
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

from shop.chassis.caller import HttpCaller
from shop.chassis.errors import (
    CircuitOpen,
    Conflict,
    DependencyError,
    DependencyTimeout,
    DependencyUnavailable,
    RateLimited,
    ShopError,
)
from shop.chassis.ports import CallPolicy, PolicySource
from shop.chassis.retry import call_with_retries
from tests.shop.calls.seen import Seen, attributes
from tests.shop.calls.servers import Here, Time, nobody_listens, patient, serving, shop_app

POLICY = patient(max_attempts=5, backoff_seconds=0.1, backoff_max_seconds=0.5, breaker_failures=0)


class Inventory:
    """A service that fails as often as it is told, and notes when and how it was asked."""

    def __init__(self) -> None:
        self.failures: list[ShopError] = []
        self.asked_at: list[float] = []
        self.keys: list[str] = []
        self.app = shop_app()

        @self.app.api_route("/v1/reservations", methods=["GET", "POST", "PUT", "DELETE"])
        def reservations(request: Request) -> dict[str, str]:
            self.asked_at.append(real_time.monotonic())
            self.keys.append(request.headers.get("idempotency-key", ""))
            if self.failures:
                raise self.failures.pop(0)
            return {"status": "reserved"}


@pytest.fixture
def inventory() -> Inventory:
    return Inventory()


Connect = Callable[..., HttpCaller]


@pytest.fixture
def connect(inventory: Inventory, seen: Seen) -> Iterator[Connect]:
    """Makes callers of the inventory."""
    with ExitStack() as stack:
        address = stack.enter_context(serving(inventory.app))

        def make(
            policy: PolicySource = POLICY,
            sleep: Callable[[float], None] = lambda _: None,
            draw: Callable[[], float] = lambda: 0.0,
        ) -> HttpCaller:
            caller = HttpCaller(
                "inventory-service",
                policy,
                Here(address),
                sleep=sleep,
                draw=draw,
                tracer_provider=seen.tracer_provider,
            )
            stack.callback(caller.close)
            return caller

        yield make


def unavailable() -> DependencyUnavailable:
    return DependencyUnavailable("inventory-service", "busy")


def test_pauses_double_up_to_their_cap_and_are_drawn_below_it(
    inventory: Inventory, connect: Connect
) -> None:
    for share, expected in ((1.0, [0.1, 0.2, 0.4, 0.5]), (0.25, [0.025, 0.05, 0.1, 0.125])):
        inventory.failures = [unavailable() for _ in range(4)]
        time = Time()
        connect(sleep=time.sleep, draw=lambda share=share: share).request("GET", "/v1/reservations")
        assert time.slept == pytest.approx(expected)


def test_the_pauses_are_real(inventory: Inventory, connect: Connect) -> None:
    inventory.failures = [unavailable() for _ in range(3)]
    connect(sleep=real_time.sleep, draw=lambda: 1.0).request("GET", "/v1/reservations")
    first, second, third, fourth = inventory.asked_at
    assert second - first >= 0.1
    assert third - second >= 0.2
    assert fourth - third >= 0.4


def test_without_backoff_there_is_no_pause(inventory: Inventory, connect: Connect) -> None:
    inventory.failures = [unavailable() for _ in range(7)]
    time = Time()
    storm = replace(POLICY, backoff_seconds=0.0, max_attempts=8)
    connect(storm, sleep=time.sleep, draw=lambda: 0.99).request("GET", "/v1/reservations")
    assert len(inventory.asked_at) == 8
    assert sum(time.slept) == 0


@given(
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 30),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_no_pause_is_ever_above_its_cap(
    share: float, attempts: int, backoff: float, cap: float
) -> None:
    time = Time()
    policy = patient(max_attempts=attempts, backoff_seconds=backoff, backoff_max_seconds=cap)

    def fail(_number: int) -> None:
        raise unavailable()

    with pytest.raises(DependencyUnavailable):
        call_with_retries(fail, policy, may_repeat=True, sleep=time.sleep, draw=lambda: share)
    assert len(time.slept) == attempts - 1
    assert all(0 <= pause <= cap for pause in time.slept)


@pytest.mark.parametrize(
    ("method", "key", "attempts"),
    [
        ("GET", "", 5),
        ("PUT", "", 5),
        ("DELETE", "", 5),
        ("POST", "", 1),
        ("POST", "key-1", 5),
    ],
)
def test_only_what_is_safe_to_repeat_is_repeated(
    inventory: Inventory, connect: Connect, method: str, key: str, attempts: int
) -> None:
    inventory.failures = [unavailable() for _ in range(9)]
    with pytest.raises(DependencyUnavailable):
        connect().request(method, "/v1/reservations", idempotency_key=key)
    assert inventory.keys == [key] * attempts


@pytest.mark.parametrize("error", [Conflict("out of stock"), ShopError("a bug")])
def test_what_a_retry_would_only_repeat_is_not_retried(
    inventory: Inventory, connect: Connect, error: ShopError
) -> None:
    inventory.failures = [error]
    with pytest.raises(Conflict if isinstance(error, Conflict) else DependencyError):
        connect().request("GET", "/v1/reservations")
    assert len(inventory.asked_at) == 1


def test_a_timeout_is_repeated_only_when_that_is_safe(seen: Seen) -> None:
    app = shop_app()
    let_go = threading.Event()
    asked: list[str] = []

    @app.api_route("/v1/slow", methods=["GET", "POST"])
    def slow(request: Request) -> None:
        asked.append(request.method)
        let_go.wait(10)

    policy = CallPolicy(timeout_seconds=0.1, max_attempts=3, breaker_failures=0)
    with ExitStack() as stack:
        address = stack.enter_context(serving(app))
        stack.callback(let_go.set)
        caller = HttpCaller("inventory-service", policy, Here(address), sleep=lambda _: None)
        stack.callback(caller.close)
        for method in ("POST", "GET"):
            with pytest.raises(DependencyTimeout, match=r"did not answer within 0\.1 s"):
                caller.request(method, "/v1/slow")
    assert asked == ["POST", "GET", "GET", "GET"]


def fail_with(*errors: ShopError) -> ShopError:
    """What leaves when one attempt after the other fails so."""

    def call(number: int) -> None:
        raise errors[number - 1]

    with pytest.raises(ShopError) as caught:
        call_with_retries(
            call,
            replace(POLICY, max_attempts=len(errors)),
            may_repeat=True,
            sleep=lambda _: None,
            draw=lambda: 0.0,
        )
    assert caught.value.is_final
    return caught.value


def unreachable(kind: type[DependencyError] = DependencyUnavailable) -> DependencyError:
    error = kind("inventory-service", "nobody there")
    error.was_never_sent = True
    return error


@pytest.mark.parametrize(
    "refusal",
    [
        unavailable(),
        unreachable(),
        CircuitOpen("inventory-service", "open"),
        RateLimited("slow down", 0.1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_does_not_hide_that_an_earlier_attempt_may_have_been_done(
    refusal: ShopError,
) -> None:
    timeout = DependencyTimeout("inventory-service", "late")
    timeout.__cause__ = cause = TimeoutError("read")
    left = fail_with(unavailable(), timeout, refusal)
    assert left is timeout
    assert left.__cause__ is cause


@pytest.mark.parametrize(
    "errors",
    [
        (DependencyTimeout("inventory-service", "late"), Conflict("out of stock")),
        (unreachable(DependencyTimeout), unavailable()),
        (unavailable(), unreachable()),
    ],
    ids=["an answer", "a timeout of the connection", "no timeout"],
)
def test_otherwise_the_last_error_leaves(errors: tuple[ShopError, ...]) -> None:
    assert fail_with(*errors) is errors[-1]


def test_what_reached_nobody_is_repeated_even_if_it_is_not_safe_otherwise(
    inventory: Inventory,
) -> None:
    with ExitStack() as stack:
        dead = stack.enter_context(nobody_listens())
        alive = stack.enter_context(serving(inventory.app))
        caller = HttpCaller("inventory-service", patient(), Here(dead, alive), sleep=lambda _: None)
        stack.callback(caller.close)
        assert caller.request("POST", "/v1/reservations").status_code == 200
    assert len(inventory.asked_at) == 1


def test_a_policy_may_change_between_calls(inventory: Inventory, connect: Connect) -> None:
    is_storming = False

    def policy() -> CallPolicy:
        return replace(POLICY, max_attempts=8 if is_storming else 2)

    caller = connect(policy)
    for is_storming, expected in ((False, 2), (True, 8), (False, 2)):  # noqa: B007
        inventory.failures = [unavailable() for _ in range(9)]
        inventory.asked_at = []
        with pytest.raises(DependencyUnavailable):
            caller.request("GET", "/v1/reservations")
        assert len(inventory.asked_at) == expected


def test_a_limit_on_the_rate_is_waited_for_if_that_is_not_too_long(
    inventory: Inventory, connect: Connect
) -> None:
    time = Time()
    caller = connect(sleep=time.sleep)
    inventory.failures = [RateLimited("slow down", 0.3)]
    caller.request("GET", "/v1/reservations")
    assert time.slept == [0.3]
    inventory.failures = [RateLimited("slow down", 60.0)]
    with pytest.raises(RateLimited) as caught:
        caller.request("GET", "/v1/reservations")
    assert caught.value.retry_after_seconds == 60.0
    assert time.slept == [0.3]


def test_retries_do_not_multiply_from_level_to_level(
    inventory: Inventory, connect: Connect
) -> None:
    inventory.failures = [unavailable() for _ in range(99)]
    to_inventory = connect(replace(POLICY, max_attempts=3))
    orders = shop_app()
    asked = 0

    @orders.get("/v1/orders")
    def list_orders() -> None:
        nonlocal asked
        asked += 1
        to_inventory.request("GET", "/v1/reservations")

    with ExitStack() as stack:
        address = stack.enter_context(serving(orders))
        gateway = HttpCaller("order-service", POLICY, Here(address), sleep=lambda _: None)
        stack.callback(gateway.close)
        with pytest.raises(DependencyUnavailable) as caught:
            gateway.request("GET", "/v1/orders")
    assert caught.value.dependency == "inventory-service"
    assert (asked, len(inventory.asked_at)) == (1, 3)


def test_each_attempt_is_a_span_under_the_calling_one(
    inventory: Inventory, connect: Connect, seen: Seen
) -> None:
    inventory.failures = [unavailable(), unavailable()]
    with seen.tracer.start_as_current_span("saga step reserve") as step:
        connect().request("POST", "/v1/reservations", idempotency_key="key-1")
    spans = seen.client_spans()
    assert [span.name for span in spans] == ["POST /v1/reservations"] * 3
    assert [span.parent for span in spans] == [step.get_span_context()] * 3
    counts = [attributes(span).get("http.request.resend_count") for span in spans]
    assert counts == [None, 1, 2]
