"""Outside: third parties that take their time, decline, and remember idempotency keys."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from shop.outside import Patience, outside_app
from tests.shop.runtime.serving import client_of

CHARGE = {"card_token": "card-1", "amount_cents": 500, "currency": "EUR"}


WAITS: list[float] = []


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with client_of(outside_app(seed=7, wait=WAITS.append)) as client:
        yield client


@pytest.fixture
def waits() -> list[float]:
    WAITS.clear()
    return WAITS


def test_a_card_is_charged_once_per_key(client: httpx.Client) -> None:
    def charge(key: str) -> str:
        answer = client.post(
            "/card-network/authorisations", json=CHARGE, headers={"idempotency-key": key}
        )
        assert answer.status_code == 201
        return str(answer.json()["id"])

    assert charge("a") == charge("a") != charge("b")


def test_under_a_voided_key_nothing_is_taken_any_more(client: httpx.Client) -> None:
    def charge() -> httpx.Response:
        return client.post(
            "/card-network/authorisations", json=CHARGE, headers={"idempotency-key": "v"}
        )

    assert charge().status_code == 201
    voids = [
        client.post("/card-network/voids", json={"authorisation_key": "v"}).json() for _ in range(2)
    ]
    assert voids[0] == voids[1]
    assert voids[0]["status"] == "voided"
    assert charge().status_code == 402


def test_a_declined_card_is_declined(client: httpx.Client) -> None:
    answer = client.post(
        "/card-network/authorisations", json={**CHARGE, "card_token": "declined-1"}
    )

    assert answer.status_code == 402
    assert answer.json()["status"] == "declined"


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        ("/card-network/authorisations", 0.020, 0.040),
        ("/card-network/refunds", 0.020, 0.040),
        ("/carrier/parcels", 0.015, 0.030),
        ("/mail-relay/messages", 0.010, 0.020),
    ],
)
def test_each_party_takes_its_time(
    client: httpx.Client, waits: list[float], path: str, least: float, most: float
) -> None:
    for _ in range(20):
        assert client.post(path, json=CHARGE).is_success

    assert all(least <= wait <= most for wait in waits)
    assert max(waits) - min(waits) > (most - least) / 4


def test_the_same_seed_waits_the_same() -> None:
    one: list[float] = []
    other: list[float] = []
    for waits in (one, other):
        patience = Patience(7, waits.append)
        for _ in range(5):
            patience.milliseconds(10, 20)

    assert one == other
    assert len(set(one)) == 5


def test_a_parcel_can_be_followed(client: httpx.Client) -> None:
    headers = {"idempotency-key": "shipment-1"}
    first, second = (
        client.post("/carrier/parcels", json={}, headers=headers).json() for _ in range(2)
    )

    assert first == second
    assert first["tracking_code"]
