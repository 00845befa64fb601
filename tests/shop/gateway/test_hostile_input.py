"""What strangers send to the door to see it fall: they get a problem document, nobody else does."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from shop.chassis.problem import MEDIA_TYPE
from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.gateway.door import bearer

LINE = {"sku": "sku-1", "quantity": 1}
ORDER = {"lines": [LINE], "card_token": "card-1"}


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"lines": [{**LINE, "sku": ""}]},
        {"lines": [{**LINE, "sku": "."}]},
        {"lines": [{**LINE, "sku": ".."}]},
        {"lines": [{**LINE, "sku": "a/b"}]},
        {"lines": [{**LINE, "sku": "x" * 101}]},
        {"lines": [{**LINE, "sku": "a\nb"}]},
        {"lines": [{**LINE, "quantity": 10**400}]},
        {"card_token": ""},
        {"card_token": "x" * 201},
        {"card_token": "a\0b"},
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/quick-orders"])
def test_an_order_that_makes_no_sense_ends_at_the_door(
    door: httpx.Client, shop: Shop, change: dict[str, Any], path: str
) -> None:
    refused(door.post(path, json={**ORDER, **change}, headers=bearer()))
    assert shop.keys == []


@pytest.mark.parametrize(
    "credentials",
    [
        {"email": "", "password": "p"},
        {"email": "nobody", "password": "p"},
        {"email": "a@" + "b" * 254, "password": "p"},
        {"email": "a@b", "password": ""},
        {"email": "a@b", "password": "p" * 257},
        {"email": "a@b", "password": "a\0b"},
    ],
)
def test_a_login_has_limits(door: httpx.Client, credentials: dict[str, str]) -> None:
    refused(door.post("/api/v1/login", json=credentials))


def test_an_idempotency_key_has_to_be_printable(door: httpx.Client, shop: Shop) -> None:
    headers = {**bearer(), "idempotency-key": "schlüssel".encode("latin-1").decode("latin-1")}
    refused(door.post("/api/v1/orders", json=ORDER, headers=_raw(headers)))
    assert shop.keys == []


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


@pytest.mark.parametrize("sku", ["%2e", "%2e%2e", "%00", "x" * 201])
def test_a_path_that_names_nothing_is_no_defect(door: httpx.Client, sku: str) -> None:
    answer = door.get(f"/api/v1/products/{sku}", headers=bearer())
    assert answer.status_code < 500


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/quick-orders", "/api/v1/login"])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({**ORDER, "card_token": "\ud800"}),
        json.dumps({**ORDER, "card_token": "card-\udfff"}),
        json.dumps({"email": "a\ud83d@b", "password": "p"}),
        json.dumps({"email": "a@b", "password": "\udc00"}),
        json.dumps({**ORDER, "note": "\ud800"}),
        json.dumps({**ORDER, "\ud800": 1}),
        json.dumps("\udbff"),
    ],
)
def test_half_a_character_is_no_text(door: httpx.Client, shop: Shop, path: str, body: str) -> None:
    headers = {**bearer(), "content-type": "application/json"}
    refused(door.post(path, content=body.encode(), headers=headers))
    assert shop.keys == []


def test_half_a_character_in_raw_bytes_is_no_text_either(door: httpx.Client) -> None:
    body = b'{"email": "a@b", "password": "\xed\xa0\x80"}'
    refused(door.post("/api/v1/login", content=body, headers={"content-type": "application/json"}))


def test_both_halves_of_a_character_are_one(door: httpx.Client) -> None:
    body = json.dumps({"email": "user-1@shop.example", "password": "🔑"})
    assert "\\ud83d" in body
    answer = door.post("/api/v1/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 401)
