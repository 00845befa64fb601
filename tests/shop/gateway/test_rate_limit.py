"""So many requests, and no more."""

from __future__ import annotations

import threading

import httpx
import pytest

from shop.gateway.operations import login_key
from shop.gateway.rate_limit import RateLimit, Windows
from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.gateway.door import bearer, front_door
from tests.shop.gateway.recorded import Recorded, attributes
from tests.shop.inventory.stage import Stage


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_the_window_moves_with_every_request() -> None:
    clock = Clock()
    limit = RateLimit("2/minute", clock)
    assert limit.take("a").remaining == 1
    clock.seconds += 20
    assert limit.take("a").is_granted
    refused = limit.take("a")
    assert not refused.is_granted
    assert refused.remaining == 0
    assert refused.resets_in_seconds == pytest.approx(40)
    clock.seconds += 40
    assert limit.take("a").is_granted  # the first one has left the window
    assert not limit.take("a").is_granted  # the second one has not


def test_each_key_has_a_limit_of_its_own() -> None:
    limit = RateLimit("1/second", Clock())
    assert limit.take("a").is_granted
    assert limit.take("b").is_granted
    assert not limit.take("a").is_granted


def test_threads_together_get_no_more_than_the_limit() -> None:
    limit = RateLimit("50/minute", Clock())
    granted: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: granted.extend(limit.take("a").is_granted for _ in range(30))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted.count(True) == 50


def test_the_longest_unused_key_is_forgotten_when_there_are_too_many() -> None:
    windows = Windows(Clock(), most_keys=2)
    for key in ("a", "b", "a", "c"):
        windows.acquire_entry(key, 9, 60)
    assert windows.get_moving_window("a", 9, 60)[1] == 2
    assert windows.reset() == 2
    windows.acquire_entry("a", 9, 60)
    windows.clear("a")
    assert windows.get_moving_window("a", 9, 60)[1] == 0


def test_a_limit_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        RateLimit("many/often")


def test_a_visitor_is_told_the_limit_and_then_refused(
    stage: Stage, shop: Shop, spans: Recorded
) -> None:
    with front_door(stage, shop, rate_limit="2/minute") as door:
        first = door.get("/api/v1/products", headers=bearer())
        assert first.status_code == 200
        assert first.headers["ratelimit-limit"] == "2"
        assert first.headers["ratelimit-remaining"] == "1"
        assert first.headers["ratelimit-policy"] == "2;w=60"
        door.get("/api/v1/products", headers=bearer())
        refused = door.get("/api/v1/products", headers=bearer())
        assert refused.status_code == 429
        assert refused.json()["code"] == "rate_limited"
        assert 55 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit-remaining"] == "0"
        assert door.get("/api/v1/products", headers=bearer("user-2")).status_code == 200
    (refusal,) = [
        attributes(span)
        for span in spans.wait("GET /api/v1/products", 4)
        if "shop.gateway.rejected" in attributes(span)
    ]
    assert refusal["shop.gateway.rejected"] == "rate_limited"
    assert refusal["user.id"] == "user-1"


def test_one_address_cannot_be_tried_for_ever(stage: Stage, shop: Shop) -> None:
    def try_to_log_in(door: httpx.Client, email: str) -> int:
        return door.post("/api/v1/login", json={"email": email, "password": "x"}).status_code

    with front_door(stage, shop, rate_limit="2/minute") as door:
        assert [try_to_log_in(door, "user-1@shop.example") for _ in range(3)] == [401, 401, 429]
        assert try_to_log_in(door, "USER-1@shop.example") == 429
        assert try_to_log_in(door, "user-2@shop.example") == 401


def _login(door: httpx.Client, email: str, forwarded: str) -> int:
    body = {"email": email, "password": "wrong"}
    headers = {"x-forwarded-for": forwarded}
    return door.post("/api/v1/login", json=body, headers=headers).status_code


def test_a_stranger_cannot_lock_the_owner_out(stage: Stage, shop: Shop) -> None:
    email = "user-1@shop.example"
    with front_door(stage, shop, rate_limit="3/minute") as door:
        tries = [_login(door, email, "203.0.113.9") for _ in range(20)]
        assert tries[:3].count(429) == 0
        assert set(tries[3:]) == {429}
        assert _login(door, email, "198.51.100.1") != 429


def test_a_made_up_origin_does_not_make_a_stranger_new(stage: Stage, shop: Shop) -> None:
    # The proxy appends the address that it sees to whatever the visitor claims.
    with front_door(stage, shop, rate_limit="3/minute") as door:
        tries = [_login(door, "User-1@shop.example", f"10.0.0.{n}, 203.0.113.9") for n in range(5)]
        assert [each == 429 for each in tries] == [False, False, False, True, True]
        assert _login(door, "user-1@SHOP.example", "203.0.113.9") == 429


def test_the_key_of_a_login_is_short_and_names_nobody() -> None:
    key = login_key("203.0.113.9", "user-1@shop.example" + "x" * 200)
    assert len(key) == 64
    assert "user-1" not in key
