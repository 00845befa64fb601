"""Rate limits, log bursts, queues, queries and retries over many traces."""

from __future__ import annotations

from longpole.analyzer.findings.window import (
    log_burst,
    queue_lag,
    rate_limited,
    retries,
    slow_query,
)
from tests.analyzer.findings.window.scenes import CLIENT, CONSUMER, MS, PRODUCER, Scene


def asked(refused: int, granted: int, key: str = "http.response.status_code") -> Scene:
    scene = Scene()
    for n in range(refused + granted):
        status = (429 if key.startswith("http") else 8) if n < refused else 200
        scene.add(n + 1, n * 10, n * 10 + 2, "door", "GET /products", attributes={key: status})
    return scene


def test_many_refused_requests_are_a_rate_limit() -> None:
    for key in ("http.response.status_code", "rpc.grpc.status_code"):
        found = asked(30, 70, key).only(rate_limited.DETECTOR)
        assert (found.service, found.operation) == ("door", "GET /products")
        assert "30 of 100 requests" in found.reason


def test_a_few_refused_requests_are_an_ordinary_day() -> None:
    assert asked(9, 10).findings(rate_limited.DETECTOR) == []
    assert asked(12, 900).findings(rate_limited.DETECTOR) == []


def test_a_callee_without_spans_is_named_by_its_caller() -> None:
    scene = Scene()
    for n in range(20):
        root = scene.add(n + 1, n * 10, n * 10 + 8, "shop", "GET /rates")
        scene.add(
            n + 1, n * 10 + 1, n * 10 + 6, "shop", "GET", CLIENT, parent=root, error="429",
            attributes={"http.response.status_code": 429, "server.address": "rates.example"},
        )  # fmt: skip
    assert scene.only(rate_limited.DETECTOR).service == "rates.example"


def logged(before: int, now: int, *, has_past: bool = True) -> Scene:
    scene = Scene(seconds=10, has_past=has_past)
    for n in range(max(now, 30)):
        span = scene.add(n + 1, 5_000 + n, 5_005 + n, "user", "GET /users")
        if n < now:
            scene.log(5_001 + n, "user", f"no cache for user {n}: reset", span)
    for n in range(before):
        scene.log(-9_900 + n * 480, "user", f"no cache for user {n}: reset", None)
    return scene


def test_a_new_error_in_the_logs_is_a_burst() -> None:
    found = logged(0, 50).only(log_burst.DETECTOR)
    assert (found.service, found.operation) == ("user", "GET /users")
    assert "50 records, never before" in found.reason
    assert "no cache for user …: reset" in found.reason


def test_an_error_that_was_always_there_is_no_burst() -> None:
    assert logged(20, 50).findings(log_burst.DETECTOR) == []


def test_a_burst_that_began_before_the_window_is_one_all_the_same() -> None:
    scene = logged(0, 50)
    for n in range(20):
        scene.log(-500 + n, "user", f"no cache for user {n}: reset")
    assert "20 records before" in scene.only(log_burst.DETECTOR).reason


def test_few_records_are_no_burst() -> None:
    assert logged(0, 19).findings(log_burst.DETECTOR) == []


def test_without_a_past_the_beginning_of_the_window_stands_for_it() -> None:
    assert len(logged(0, 50, has_past=False).findings(log_burst.DETECTOR)) == 1
    scene = logged(0, 50, has_past=False)
    scene.log(10, "user", "no cache for user 7: reset")
    assert scene.findings(log_burst.DETECTOR) == []


def queue(lags_ms: list[float], *, by_link: bool = False) -> Scene:
    scene = Scene()
    for n, lag in enumerate(lags_ms):
        send = scene.add(
            n + 1, n * 500, n * 500 + 2, "pay", "send paid", PRODUCER,
            attributes={"messaging.destination.name": "paid"},
        )  # fmt: skip
        scene.add(
            1_000 + n if by_link else n + 1, n * 500 + 2 + lag, n * 500 + 12 + lag, "stock",
            "process paid", CONSUMER, parent=None if by_link else send,
            link=send if by_link else None,
            attributes={"messaging.destination.name": "paid"},
        )  # fmt: skip
    return scene


def test_a_queue_that_falls_behind_is_critical() -> None:
    for by_link in (False, True):
        found = queue([200.0 * n for n in range(15)], by_link=by_link).only(queue_lag.DETECTOR)
        assert (found.service, found.operation) == ("stock", "process paid")
        assert found.severity == "critical"
        assert "It gets worse" in found.reason


def test_messages_that_wait_long_all_the_time_are_a_warning() -> None:
    assert queue([1_500.0] * 12).only(queue_lag.DETECTOR).severity == "warning"


def test_messages_that_are_taken_soon_are_fine() -> None:
    assert queue([5.0, 40.0, 3.0] * 7).findings(queue_lag.DETECTOR) == []
    assert queue([3.0 * n for n in range(30)]).findings(queue_lag.DETECTOR) == []


def test_a_clock_that_is_ahead_makes_no_queue() -> None:
    scene = Scene()
    hosts = {"pay": {"host.name": "x"}, "stock": {"host.name": "y"}}
    for n in range(20):
        ahead = 3_000
        send = scene.add(
            n + 1, n * 500, n * 500 + 2, "pay", "send", PRODUCER, resource=hosts["pay"]
        )
        scene.add(n + 1, n * 500 + 5 + ahead, n * 500 + 9 + ahead, "stock", "process", CONSUMER,
                  parent=send, resource=hosts["stock"])  # fmt: skip
        call = scene.add(
            100 + n, n * 500, n * 500 + 20, "pay", "GET", CLIENT, resource=hosts["pay"]
        )
        scene.add(100 + n, n * 500 + 1 + ahead, n * 500 + 19 + ahead, "stock", "GET",
                  parent=call, resource=hosts["stock"])  # fmt: skip
    assert scene.findings(queue_lag.DETECTOR) == []


def asked_again_and_again(now: list[float], before: list[float], all_ms: float = 0.0) -> Scene:
    """Durations of one query, and of another one that takes 5 ms and `all_ms` more each time."""
    scene = Scene()
    for sign, durations in ((1, now), (-1, before)):
        for n, ms in enumerate(durations):
            at = sign * (1_000 + 500 * n)
            trace = len(scene.spans) + 1
            root = scene.add(trace, at, at + ms + 300, "pay", "Charge")
            for place, (table, took) in enumerate(
                (("a", ms), ("b", 5 + all_ms * max(0, n * sign)))
            ):
                scene.add(
                    trace, at + 1 + place, at + 1 + place + took, "pay", f"SELECT {table}", CLIENT,
                    parent=root,
                    attributes={
                        "db.system.name": "sqlite",
                        "db.query.text": f"SELECT x FROM {table} WHERE id = {n}",
                    },
                )  # fmt: skip
    return scene


def test_a_query_that_gets_slower_and_slower_is_found() -> None:
    found = asked_again_and_again([4.0 + 6 * n for n in range(30)], []).only(slow_query.DETECTOR)
    assert (found.service, found.operation) == ("pay", "SELECT a")
    assert "gets slower while one looks" in found.reason


def test_a_query_that_is_slower_than_ever_is_found() -> None:
    found = asked_again_and_again(
        [90.0 + n % 5 for n in range(10)], [8.0 + n % 3 for n in range(25)]
    )
    assert "in the time before (9 ms)" in found.only(slow_query.DETECTOR).reason


def test_a_busy_machine_slows_every_query() -> None:
    growing = [5.0 + 6 * n for n in range(30)]
    assert asked_again_and_again(growing, [], all_ms=6.0).findings(slow_query.DETECTOR) == []


def test_a_query_that_was_slow_for_a_while_in_the_middle_is_found() -> None:
    runs = [3.0 + n % 2 for n in range(20)] + [80.0 + n for n in range(12)] + [3.0] * 20
    found = asked_again_and_again(runs, []).only(slow_query.DETECTOR)
    assert "(median of 12 runs within 5.59 s)" in found.reason
    assert "as long as otherwise (3 ms)" in found.reason
    assert len(found.rows) == 12


def test_slow_runs_here_and_there_are_no_while() -> None:
    runs = [80.0 if n % 3 == 0 else 3.0 for n in range(60)]
    assert asked_again_and_again(runs, []).findings(slow_query.DETECTOR) == []


def test_a_query_that_varies_is_not_slow() -> None:
    varied = [5.0 + (n * 37 % 11) * 9 for n in range(40)]
    assert asked_again_and_again(varied, varied).findings(slow_query.DETECTOR) == []


def calling(requests: int, failing: int) -> Scene:
    scene = Scene()
    for n in range(requests):
        root = scene.add(n + 1, n * 100, n * 100 + 60, "order", "POST /orders")
        for attempt in range(3 if n < failing else 1):
            at = n * 100 + 5 + attempt * 10
            scene.add(
                n + 1, at, at + 5, "order", "reserve", CLIENT, parent=root,
                error="503" if n < failing and attempt < 2 else None,
                attributes={"server.address": "stock"},
            )  # fmt: skip
    return scene


def test_retries_of_many_requests_are_a_storm_together() -> None:
    found = calling(20, 10).only(retries.DETECTOR)
    assert (found.detector, found.service, found.operation) == ("retry_storm", "order", "reserve")
    assert "50 % of the 40 calls" in found.reason
    assert sum(found.excess_ns) == 20 * 5 * MS


def test_a_retry_now_and_then_is_none() -> None:
    assert calling(200, 10).findings(retries.DETECTOR) == []
