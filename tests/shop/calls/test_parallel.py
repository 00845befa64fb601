"""Parallel calls: at the same time, in order, with a deadline, in the caller's trace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from shop.chassis.errors import DependencyTimeout, NotFound
from shop.chassis.parallel import Parallel
from tests.shop.calls.seen import Seen


@pytest.fixture
def parallel() -> Iterator[Parallel]:
    pool = Parallel("home", threads=4)
    yield pool
    pool.close()


def test_calls_run_at_the_same_time_and_come_back_in_order(parallel: Parallel) -> None:
    # Nobody gets past the barrier unless all four are under way.
    barrier = threading.Barrier(4)

    def call(name: str) -> Callable[[], str]:
        def run() -> str:
            barrier.wait(10)
            return name

        return run

    assert parallel.run([call(name) for name in "abcd"]) == list("abcd")


def test_no_more_run_at_once_than_there_are_threads(parallel: Parallel) -> None:
    lock = threading.Lock()
    under_way = most = 0

    def call() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.01)
        with lock:
            under_way -= 1

    parallel.run([call] * 20)
    assert 1 < most <= 4


def test_one_that_fails_leaves_the_others_alone(parallel: Parallel) -> None:
    error = NotFound("no such user")

    def fail() -> str:
        raise error

    assert parallel.run([lambda: "a", fail, lambda: "c"]) == ["a", error, "c"]


def test_a_timeout_of_a_call_is_its_own_error(parallel: Parallel) -> None:
    error = TimeoutError("of the call, not of the pool")

    def fail() -> str:
        raise error

    assert parallel.run([fail], deadline_seconds=10) == [error]


def test_what_is_late_is_a_timeout_and_what_had_not_begun_never_begins(
    parallel: Parallel,
) -> None:
    let_go = threading.Event()
    begun = threading.Semaphore(0)

    def linger() -> str:
        begun.release()
        assert let_go.wait(10)
        return "late"

    never = threading.Event()
    # Five that linger on four threads: the fifth and what comes after it wait in the queue.
    calls: list[Callable[[], object]] = [lambda: "quick", *[linger] * 5, never.set]
    results = parallel.run(calls, deadline_seconds=0.5)
    assert results[0] == "quick"
    for result in results[1:]:
        assert isinstance(result, DependencyTimeout)
        assert str(result) == "home did not end within 0.5 s"
    let_go.set()
    parallel.close()
    assert not never.is_set()
    assert [begun.acquire(blocking=False) for _ in range(5)] == [True] * 4 + [False]


def test_spans_of_the_calls_are_children_of_the_calling_span(
    parallel: Parallel, seen: Seen
) -> None:
    def call() -> None:
        with seen.tracer.start_as_current_span("part"):
            pass

    with seen.tracer.start_as_current_span("home") as home:
        parallel.run([call] * 3)
    assert [span.parent for span in seen.spans("part")] == [home.get_span_context()] * 3
