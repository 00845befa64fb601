"""The home page: at once, complete whatever fails, and broken on request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan

from shop.chassis.chain import HOPS, PATH, chain_router
from shop.chassis.problem import install_problem_handlers
from shop.gateway.service import build
from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.gateway.door import SECRET, bearer
from tests.shop.gateway.recorded import Recorded, attributes, id_of
from tests.shop.inventory.stage import Stage

SERVICES = ("user-service", "recommendation-service", "order-service", "inventory-service")


def _home(client: httpx.Client, user_id: str = "user-1") -> dict[str, Any]:
    answer = client.get("/api/v1/home", headers=bearer(user_id))
    assert answer.status_code == 200
    page: dict[str, Any] = answer.json()
    return page


def test_the_page_has_all_four_parts(door: httpx.Client) -> None:
    page = _home(door)
    assert page["user"]["user_id"] == "user-1"
    assert [item["sku"] for item in page["recommendations"]["items"]] == ["sku-9"] * 5
    assert len(page["products"]) == 8
    assert page["fallbacks"] == []


@pytest.mark.parametrize(
    ("down", "part"),
    [
        ("user-service", "user"),
        ("recommendation-service", "recommendations"),
        ("order-service", "orders"),
        ("inventory-service", "products"),
    ],
)
def test_a_part_without_its_service_falls_back_and_the_others_stay(
    door: httpx.Client, shop: Shop, spans: Recorded, down: str, part: str
) -> None:
    whole = _home(door)
    shop.down.add(down)
    page = _home(door)
    assert page["fallbacks"] == [part]
    kept = {name: value for name, value in whole.items() if name not in (part, "fallbacks")}
    assert kept.items() <= page.items()
    last = spans.wait("GET /api/v1/home", 2)[-1]
    assert attributes(last)["shop.fallback"] == (part,)


def test_recommendations_fall_back_to_what_this_user_last_saw_and_then_to_the_bestsellers(
    door: httpx.Client, shop: Shop
) -> None:
    _home(door, "user-1")
    shop.down.add("recommendation-service")
    known = _home(door, "user-1")["recommendations"]
    assert (known["is_fallback"], known["items"][0]["sku"]) == (True, "sku-9")
    unknown = _home(door, "user-2")["recommendations"]
    assert (unknown["is_fallback"], unknown["model"]) == (True, "bestsellers")
    assert len(unknown["items"]) == 5
    alone = door.get("/api/v1/recommendations?limit=2", headers=bearer("user-2")).json()
    assert (alone["is_fallback"], len(alone["items"])) == (True, 2)


def test_products_that_were_seen_are_shown_while_inventory_is_down(
    door: httpx.Client, shop: Shop
) -> None:
    shop.down.add("inventory-service")
    assert _home(door)["products"] == []
    shop.down.clear()
    seen = _home(door)["products"]
    shop.down.add("inventory-service")
    assert _home(door, "user-2")["products"] == seen


def test_the_page_is_there_though_everything_behind_it_is_down(
    door: httpx.Client, shop: Shop
) -> None:
    shop.down.update(SERVICES)
    assert _home(door)["fallbacks"] == ["user", "recommendations", "orders", "products"]


class Meeting:
    """Four services behind the real gateway that can wait a moment for each other to be asked."""

    def __init__(self, stage: Stage) -> None:
        self._together: threading.Barrier | None = None
        app = FastAPI()
        user = Shop().user("user-1").model_dump()
        app.get("/v1/users/{user_id}")(lambda user_id: self._answer(user))
        app.get("/v1/recommendations")(lambda: self._answer({"items": [], "model": "m"}))
        app.get("/v1/orders")(lambda: self._answer([]))
        app.get("/v1/products")(lambda: self._answer([]))
        stage.serve(app, *SERVICES)

    def happens(self, ask: Callable[[], Any], pages: int = 5) -> bool:
        """Whether all four were asked before one answered, on one of so many pages.

        Services asked one after the other never meet; a busy machine may miss a meeting.
        """
        for _ in range(pages):
            met = threading.Event()
            self._together = threading.Barrier(len(SERVICES), met.set)
            ask()
            if met.is_set():
                return True
        return False

    def _answer(self, answer: Any) -> Any:
        if self._together is not None:
            with suppress(threading.BrokenBarrierError):
                self._together.wait(1.0)
        return answer


@pytest.fixture
def gateway(stage: Stage) -> Iterator[httpx.Client]:
    stage.start(build, "gateway", jwt_secret=SECRET)
    (instance,) = stage.held.discovery.instances("gateway")
    with httpx.Client(base_url=f"http://{instance.http}", trust_env=False) as client:
        yield client


def _calls(spans: Recorded) -> list[ReadableSpan]:
    """The CLIENT spans of the newest page, in the order of their starts."""
    return spans.children_of(spans.wait("GET /api/v1/home")[-1])


def test_the_services_are_asked_at_the_same_time(
    stage: Stage, gateway: httpx.Client, spans: Recorded
) -> None:
    assert Meeting(stage).happens(lambda: _home(gateway))
    assert {span.name for span in _calls(spans)} == {
        "GET /v1/users/{user_id}",
        "GET /v1/recommendations",
        "GET /v1/orders",
        "GET /v1/products",
    }


def test_with_sequential_calls_each_one_waits_for_the_one_before(
    stage: Stage, gateway: httpx.Client, spans: Recorded
) -> None:
    meeting = Meeting(stage)
    stage.break_it("gateway-sequential-calls", milliseconds_per_call=20)
    _home(gateway)
    calls = _calls(spans)
    assert len(calls) == 4
    for before, after in zip(calls, calls[1:], strict=False):
        assert (before.end_time or 0) <= (after.start_time or 0)
    assert all((span.end_time or 0) - (span.start_time or 0) >= 20e6 for span in calls)
    assert not meeting.happens(lambda: _home(gateway), pages=1)
    stage.mend()
    assert meeting.happens(lambda: _home(gateway))


def test_with_a_deep_chain_every_service_waits_for_the_next(
    stage: Stage, gateway: httpx.Client, spans: Recorded
) -> None:
    waits: list[float] = []
    for service in HOPS:
        app = FastAPI()
        app.include_router(chain_router(stage.chassis(service), waits.append))
        install_problem_handlers(app)
        stage.serve(app, service)
    _home(gateway)
    assert spans.named(f"GET {PATH}") == []
    stage.break_it("gateway-deep-chain")
    assert _home(gateway)["fallbacks"]  # these services have nothing but the chain
    assert waits == [0.04] * len(HOPS)
    by_id = {id_of(span)[1]: span for span in spans.trace_of(spans.wait("GET /api/v1/home", 2)[-1])}
    depths = []
    for span in spans.named(f"GET {PATH}"):
        depth = 0
        while span.parent is not None and span.parent.span_id in by_id:
            span = by_id[span.parent.span_id]
            depth += 1
        depths.append(depth)
    # A CLIENT and a SERVER span for each hop, each the child of the one before.
    assert sorted(depths) == list(range(1, 2 * len(HOPS) + 1))


def test_a_chain_with_a_link_that_is_down_takes_the_whole_page_with_it(
    stage: Stage, gateway: httpx.Client
) -> None:
    stage.break_it("gateway-deep-chain")
    answer = gateway.get("/api/v1/home", headers=bearer())
    assert (answer.status_code, answer.json()["dependency"]) == (503, HOPS[0])


def test_a_chain_goes_only_to_services_of_the_shop_and_never_in_circles(stage: Stage) -> None:
    app = FastAPI()
    app.include_router(chain_router(stage.chassis("user-service")))
    install_problem_handlers(app)
    stage.serve(app, "user-service")
    (instance,) = stage.held.discovery.instances("user-service")
    for hops in ("payment-service", "user-service,user-service", "localhost:22"):
        answer = httpx.get(f"http://{instance.http}{PATH}?hops={hops}", trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
