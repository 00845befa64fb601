"""Balancing: shares by weight, and instances that are passed over."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.chassis.balancing import SKIP_SECONDS, Balancer
from shop.chassis.caller import HttpCaller
from shop.chassis.errors import DependencyUnavailable
from tests.shop.calls.seen import Seen, attributes
from tests.shop.calls.servers import Here, Time, nobody_listens, patient, serving, shop_app


def balancer(here: Here, time: Time | None = None) -> Balancer:
    return Balancer("recommendation-service", here, (time or Time()).clock)


def test_a_canary_gets_its_share_of_a_thousand_calls_exactly() -> None:
    one = balancer(Here("a:1", "b:1", weights=[80, 20]))
    picks = Counter(one.pick().instance_id for _ in range(1000))
    assert picks == {"instance-0": 800, "instance-1": 200}


def test_a_canary_gets_its_share_from_many_threads_too() -> None:
    one = balancer(Here("a:1", "b:1", weights=[80, 20]))
    with ThreadPoolExecutor(4) as pool:
        picks = Counter(pool.map(lambda _: one.pick().instance_id, range(1000)))
    assert picks == {"instance-0": 800, "instance-1": 200}


def test_a_canary_is_not_called_twice_in_a_row() -> None:
    one = balancer(Here("a:1", "b:1", weights=[80, 20]))
    picks = [one.pick().instance_id for _ in range(10)]
    assert [at for at, picked in enumerate(picks) if picked == "instance-1"] == [2, 7]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any))
def test_after_a_round_every_share_is_exact(weights: list[int]) -> None:
    one = balancer(Here(*(f"{number}:1" for number in range(len(weights))), weights=weights))
    picks = Counter(one.pick().instance_id for _ in range(sum(weights)))
    assert [picks[f"instance-{number}"] for number in range(len(weights))] == weights


def test_an_instance_without_weight_is_called_only_when_it_is_alone() -> None:
    one = balancer(Here("a:1", "b:1", weights=[0, 1]))
    assert {one.pick().instance_id for _ in range(10)} == {"instance-1"}
    alone = balancer(Here("a:1", weights=[0]))
    assert alone.pick().instance_id == "instance-0"


def test_an_instance_that_refused_is_passed_over_for_a_while() -> None:
    time = Time()
    here = Here("a:1", "b:1")
    one = balancer(here, time)
    one.refused(here.known[0])
    assert {one.pick().instance_id for _ in range(10)} == {"instance-1"}
    time.now += SKIP_SECONDS
    assert {one.pick().instance_id for _ in range(10)} == {"instance-0", "instance-1"}


def test_if_all_refused_all_are_tried_again() -> None:
    here = Here("a:1", "b:1")
    one = balancer(here)
    for instance in here.known:
        one.refused(instance)
    assert {one.pick().instance_id for _ in range(10)} == {"instance-0", "instance-1"}


def test_a_repeated_call_goes_elsewhere_if_there_is_an_elsewhere() -> None:
    one = balancer(Here("a:1", "b:1"))
    assert {one.pick(avoid={"instance-0"}).instance_id for _ in range(10)} == {"instance-1"}
    assert one.pick(avoid={"instance-0", "instance-1"}).instance_id


def test_an_instance_that_came_or_went_is_noticed_at_the_next_call() -> None:
    here = Here("a:1", "b:1")
    one = balancer(here)
    gone = here.known.pop(0)
    assert {one.pick().instance_id for _ in range(10)} == {"instance-1"}
    here.known.append(gone)
    picks = Counter(one.pick().instance_id for _ in range(10))
    assert picks == {"instance-0": 5, "instance-1": 5}


def test_without_any_instance_the_dependency_is_unavailable() -> None:
    with pytest.raises(
        DependencyUnavailable, match="no instance of recommendation-service is known"
    ) as caught:
        balancer(Here()).pick()
    assert caught.value.was_never_sent


def test_calls_fail_over_to_the_second_instance_and_stay_there(seen: Seen) -> None:
    app = shop_app()

    @app.get("/v1/recommendations")
    def recommendations() -> list[str]:
        return ["sku-1"]

    time = Time()
    with ExitStack() as stack:
        dead = stack.enter_context(nobody_listens())
        alive = stack.enter_context(serving(app))
        caller = HttpCaller(
            "recommendation-service",
            patient(),
            Here(dead, alive),
            clock=time.clock,
            sleep=lambda _: None,
            tracer_provider=seen.tracer_provider,
        )
        stack.callback(caller.close)
        for _ in range(6):
            assert caller.request("GET", "/v1/recommendations").json() == ["sku-1"]
    called = [attributes(span)["shop.instance.id"] for span in seen.client_spans()]
    assert called == ["instance-0"] + ["instance-1"] * 6


def test_the_span_of_a_call_says_which_version_was_chosen(seen: Seen) -> None:
    app = shop_app()

    @app.get("/v1/recommendations")
    def recommendations() -> list[str]:
        return []

    with ExitStack() as stack:
        addresses = [stack.enter_context(serving(app)) for _ in range(2)]
        caller = HttpCaller(
            "recommendation-service",
            patient(),
            Here(*addresses, weights=[80, 20]),
            tracer_provider=seen.tracer_provider,
        )
        stack.callback(caller.close)
        for _ in range(50):
            caller.request("GET", "/v1/recommendations")
    versions = Counter(attributes(span)["shop.instance.version"] for span in seen.client_spans())
    assert versions == {"1.0.0": 40, "1.1.0": 10}
