"""The bulkhead: calls that would be too many are not made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from shop.chassis.bulkhead import Bulkhead
from shop.chassis.caller import HttpCaller
from shop.chassis.errors import BulkheadFull, NotFound
from shop.chassis.ports import CallPolicy
from tests.shop.calls.seen import Seen, event_names
from tests.shop.calls.servers import Here, serving, shop_app


class Slow:
    """A service that holds its calls until it is told to let go."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.asked = 0
        self.app = shop_app()

        @self.app.get("/v1/slow")
        def slow() -> None:
            self.asked += 1
            self.arrived.release()
            assert self.let_go.wait(10)


@pytest.fixture
def slow() -> Iterator[Slow]:
    service = Slow()
    yield service
    service.let_go.set()


@pytest.mark.parametrize("wait_seconds", [0.0, 0.05])
def test_one_call_too_many_is_refused_and_not_sent(
    slow: Slow, seen: Seen, wait_seconds: float
) -> None:
    policy = CallPolicy(timeout_seconds=10, bulkhead_calls=3, bulkhead_wait_seconds=wait_seconds)
    with ExitStack() as stack:
        address = stack.enter_context(serving(slow.app))
        stack.callback(slow.let_go.set)
        caller = HttpCaller(
            "user-service", policy, Here(address), meter_provider=seen.meter_provider
        )
        stack.callback(caller.close)
        pool = stack.enter_context(ThreadPoolExecutor(3))
        calls = [pool.submit(caller.request, "GET", "/v1/slow") for _ in range(3)]
        for _ in calls:
            assert slow.arrived.acquire(timeout=10)
        with (
            seen.tracer.start_as_current_span("home"),
            pytest.raises(BulkheadFull, match="3 calls to user-service are under way"),
        ):
            caller.request("GET", "/v1/slow")
        assert slow.asked == 3
        assert list(seen.points("shop.bulkhead.calls").values()) == [3]
        slow.let_go.set()
        assert [call.result(10).status_code for call in calls] == [200] * 3
        assert caller.request("GET", "/v1/slow").status_code == 200
    (home,) = seen.spans("home")
    assert event_names(home) == ["bulkhead.rejected"]
    assert seen.points("shop.bulkhead.rejections") == {(("shop.dependency", "user-service"),): 1}
    assert list(seen.points("shop.bulkhead.calls").values()) == [0]


def test_a_call_that_may_wait_gets_the_next_free_place(slow: Slow) -> None:
    policy = CallPolicy(timeout_seconds=10, bulkhead_calls=1, bulkhead_wait_seconds=10)
    with ExitStack() as stack:
        address = stack.enter_context(serving(slow.app))
        stack.callback(slow.let_go.set)
        caller = HttpCaller("user-service", policy, Here(address))
        stack.callback(caller.close)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        first = pool.submit(caller.request, "GET", "/v1/slow")
        assert slow.arrived.acquire(timeout=10)
        second = pool.submit(caller.request, "GET", "/v1/slow")
        assert not slow.arrived.acquire(timeout=0.1)
        slow.let_go.set()
        assert first.result(10).status_code == second.result(10).status_code == 200


def test_a_call_that_fails_gives_its_place_back() -> None:
    bulkhead = Bulkhead("user-service")

    def fail() -> None:
        with bulkhead.place(1, 0.0):
            raise NotFound("nobody")

    for _ in range(3):
        with pytest.raises(NotFound):
            fail()


def test_dependencies_do_not_share_their_places(slow: Slow) -> None:
    policy = CallPolicy(timeout_seconds=10, bulkhead_calls=1)
    quick = shop_app()

    @quick.get("/v1/quick")
    def answer() -> str:
        return "here"

    with ExitStack() as stack:
        to_slow = HttpCaller("user-service", policy, Here(stack.enter_context(serving(slow.app))))
        to_quick = HttpCaller("order-service", policy, Here(stack.enter_context(serving(quick))))
        stack.callback(to_slow.close)
        stack.callback(to_quick.close)
        stack.callback(slow.let_go.set)
        pool = stack.enter_context(ThreadPoolExecutor(1))
        held = pool.submit(to_slow.request, "GET", "/v1/slow")
        assert slow.arrived.acquire(timeout=10)
        assert to_quick.request("GET", "/v1/quick").json() == "here"
        with pytest.raises(BulkheadFull):
            to_slow.request("GET", "/v1/slow")
        slow.let_go.set()
        held.result(10)
