from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shop.__main__ import EXIT_USAGE, main
from shop.load.customers import HAMMERING_USER
from shop.load.hammer import asked_rate, hammer
from shop.load.journeys import LOOKS, Visit, browse, buy, history, quick_buy
from shop.load.outcomes import Outcomes
from shop.load.run import LoadSettings, run
from shop.load.shopper import GaveUp, Shopper, Tokens
from tests.shop.load.front_door import FrontDoor


def visit(
    door: FrontDoor, steps: Callable[[Visit], Any], times: int = 1
) -> tuple[list[str], list[float], Outcomes]:
    """What the journey came to, the pauses it made, and the books."""
    pauses: list[float] = []
    outcomes, tokens = Outcomes(), Tokens()

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    async def go() -> list[str]:
        async with httpx.AsyncClient(transport=door, base_url="http://gateway") as client:
            shopper = Shopper(client, "user-7", tokens, outcomes)
            return [await steps(Visit(shopper, random.Random(1), note)) for _ in range(times)]

    return asyncio.run(go()), pauses, outcomes


def test_a_browser_logs_in_looks_around_and_buys_nothing() -> None:
    door = FrontDoor()
    assert visit(door, browse)[0] == ["done"]
    assert door.paths()[:3] == ["POST /api/v1/login", "GET /api/v1/home", "GET /api/v1/products"]
    assert door.paths()[3].startswith("GET /api/v1/products/sku-")
    assert json.loads(door.seen[0].content) == {
        "email": "user-7@shop.example", "password": "user-7-password"
    }  # fmt: skip


def test_a_buyer_checks_out_with_a_key_of_the_order() -> None:
    door = FrontDoor(looks_until_confirmed=1)
    outcomes = visit(door, buy, times=2)[2]
    checkouts = [request for request in door.seen if request.url.path == "/api/v1/orders"]
    keys = {request.headers["idempotency-key"] for request in checkouts}
    assert len(keys) == len(checkouts) == 2
    order = json.loads(checkouts[0].content)
    assert order["card_token"] == "card-user-7"
    assert order["lines"]
    assert outcomes.requests["GET /api/v1/orders/{order_id}"].count == 2
    assert outcomes.answers["POST /api/v1/orders 200"] == 2


def test_a_quick_order_is_watched_until_it_leaves_pending() -> None:
    results, pauses, outcomes = visit(FrontDoor(looks_until_confirmed=3), quick_buy)
    assert results == ["confirmed"]
    assert pauses == list(LOOKS[:3])
    assert outcomes.requests["GET /api/v1/orders/{order_id}"].count == 3


def test_a_quick_order_that_stays_pending_is_given_up() -> None:
    results, pauses, _ = visit(FrontDoor(looks_until_confirmed=99), quick_buy)
    assert (results, pauses) == (["pending"], list(LOOKS))


def test_a_token_is_used_again_and_renewed_when_it_has_run_out() -> None:
    door = FrontDoor()
    visit(door, history, times=3)
    assert door.paths().count("POST /api/v1/login") == 1
    door = FrontDoor()
    door.expired.add("user-7@shop.example#1")
    assert visit(door, history)[0] == ["done"]
    assert door.paths() == [
        "POST /api/v1/login", "GET /api/v1/orders", "POST /api/v1/login", "GET /api/v1/orders"
    ]  # fmt: skip


def test_a_refusal_ends_the_journey_and_is_its_outcome() -> None:
    door = FrontDoor()
    door.refuse["POST /api/v1/orders"] = 503
    with pytest.raises(GaveUp, match="503"):
        visit(door, buy)
    assert door.paths()[-1] == "POST /api/v1/orders"


@pytest.mark.parametrize(
    ("error", "answer"),
    [(httpx.ReadTimeout("slow"), "timeout"), (httpx.ConnectError("gone"), "no connection")],
)
def test_no_answer_is_an_outcome_too(error: Exception, answer: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    outcomes = Outcomes()

    async def go() -> None:
        transport = httpx.MockTransport(fail)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            await Shopper(client, "user-1", Tokens(), outcomes).login()

    with pytest.raises(GaveUp, match=answer):
        asyncio.run(go())
    assert outcomes.answers == {f"POST /api/v1/login {answer}": 1}


def test_a_run_sends_every_journey_and_sums_up() -> None:
    door = FrontDoor(looks_until_confirmed=1)
    settings = LoadSettings("http://gateway", rate=120, duration_seconds=1.0, seed=2)
    summary = asyncio.run(run(settings, asyncio.Event(), door))
    assert 80 < summary["arrived"] < 160
    assert summary["dropped"] == 0
    assert sum(row["count"] for row in summary["journeys"].values()) == summary["arrived"]
    assert set(summary["journeys"]) == {"browse", "buy", "quick buy", "history"}
    assert sum(summary["answers"].values()) == len(door.seen)
    assert summary["journey_outcomes"]["buy confirmed"] == summary["journeys"]["buy"]["count"]
    assert HAMMERING_USER not in {
        json.loads(one.content)["email"].split("@")[0]
        for one in door.seen if one.url.path == "/api/v1/login"
    }  # fmt: skip
    json.dumps(summary)


def test_a_slow_shop_gets_the_same_arrivals_and_the_rest_is_dropped() -> None:
    slow = FrontDoor(looks_until_confirmed=1)
    slow.seconds = 0.3
    arrived = []
    for door, most in ((FrontDoor(looks_until_confirmed=1), 256), (slow, 5)):
        settings = LoadSettings(
            "http://gateway", rate=60, duration_seconds=0.8, seed=3, most_in_flight=most
        )
        summary = asyncio.run(run(settings, asyncio.Event(), door))
        arrived.append(summary["arrived"])
    assert arrived[0] == arrived[1]
    assert summary["dropped"] > 20
    assert summary["most_in_flight"] == 5


class Steps:
    """A clock that the hammer's own waiting moves, and that stops it at the end."""

    def __init__(self, door: FrontDoor, switches: dict[float, dict[str, Any]], end: float) -> None:
        self.now, self._door, self._switches, self._end = 0.0, door, switches, end

    def __call__(self) -> float:
        return self.now

    async def wait(self, stop: asyncio.Event, seconds: float) -> bool:
        self.now += seconds
        for at, faults in self._switches.items():
            if self.now >= at:
                self._door.active_faults = faults
        for _ in range(20):  # let the requests through
            await asyncio.sleep(0)
        if self.now >= self._end:
            stop.set()
        return stop.is_set()


def test_one_user_hammers_while_the_fault_is_on_and_no_longer() -> None:
    door, outcomes = FrontDoor(), Outcomes()
    on = {"gateway-rate-limit": {"requests_per_second": 20}}
    steps = Steps(door, {2.0: on, 5.0: {}}, end=9.0)

    async def go() -> None:
        async with httpx.AsyncClient(transport=door, base_url="http://gateway") as client:
            await hammer(
                client, "http://registry", outcomes, asyncio.Event(), clock=steps, wait=steps.wait
            )

    asyncio.run(go())
    asked = outcomes.requests["GET /api/v1/products"].count
    assert 50 <= asked <= 75  # 20 a second for 3 seconds, and up to half a second to notice
    tokens = {r.headers["authorization"] for r in door.seen if r.method == "GET"}
    assert {token.split("@")[0] for token in tokens} == {f"Bearer {HAMMERING_USER}"}


def test_a_registry_without_an_answer_changes_nothing() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503)

    async def go() -> float:
        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
            return await asked_rate(client, "http://registry", 20.0)

    assert asyncio.run(go()) == 20.0


def test_the_flags_refuse_a_rate_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "--gateway", "http://127.0.0.1:1", "--rate", "0"]) == EXIT_USAGE
    assert "--rate" in capsys.readouterr().err
