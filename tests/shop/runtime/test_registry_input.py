"""What the registry is told by people and instances that mean no good, or do not know better."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shop.chassis.errors import Invalid
from shop.faults.catalogue import CATALOGUE
from shop.faults.labels import LabelsFile
from shop.faults.limits import limits_of
from shop.registry.api import registry_app
from shop.registry.registry import Registry
from shop.registry.switchboard import MOST_FLAGS, Switchboard
from tests.shop.runtime.serving import client_of

BEAT = {"service": "gateway", "version": "1", "host_name": "node-a", "http": "127.0.0.1:80"}


@pytest.fixture
def registry() -> Registry:
    return Registry(Switchboard(None, 1), LabelsFile(None), time.monotonic, time.time_ns)


@pytest.fixture
def client(registry: Registry) -> Iterator[httpx.Client]:
    with client_of(registry_app(registry)) as made:
        yield made


def put(client: httpx.Client, path: str, document: Any) -> httpx.Response:
    # httpx would not write NaN and half characters; a stranger does.
    headers = {"content-type": "application/json"}
    return client.put(path, content=json.dumps(document), headers=headers)


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_parameter_has_limits_and_a_default_within_them(name: str) -> None:
    fault = CATALOGUE[name]

    assert fault.parameters_with(dict(fault.parameters)) == dict(fault.parameters)
    for parameter in fault.parameters:
        with pytest.raises(Invalid):
            fault.parameters_with({parameter: limits_of(parameter).most * 2})


@pytest.mark.parametrize("attempts", [2.5, 0, -1, 1e12, 10**400, "8x", None, True, [8], "\ud800"])
def test_a_count_is_a_whole_number_within_reason(client: httpx.Client, attempts: object) -> None:
    told = {"parameters": {"attempts": attempts}}
    refused(put(client, "/v1/faults/order-retry-storm", told))
    assert client.get("/v1/faults").json()["active"] == {}


def test_what_a_switch_does_not_know_is_refused(client: httpx.Client) -> None:
    refused(put(client, "/v1/faults/order-retry-storm", {"attempts": 4}))
    refused(put(client, "/v1/faults/order-retry-storm", {"parameters": {"\ud800": 4}}))
    refused(put(client, "/v1/flags/ranking", {"variants": {"on": 1}, "salt": "x"}))


@pytest.mark.parametrize(
    "variants",
    [
        {"\ud800": 1},
        {"": 1},
        {"on": float("nan")},
        {"on": float("inf")},
        {"on": 1e300},
        {"on": 10**400},
        {"on": True},
        {"on": "1"},
        {f"v{number}": 1 for number in range(21)},
    ],
)
def test_shares_are_numbers_that_can_be_added(client: httpx.Client, variants: Any) -> None:
    refused(put(client, "/v1/flags/ranking", {"variants": variants}))
    assert client.get("/v1/flags").json() == {"flags": {}}


@pytest.mark.parametrize("key", ["%20", "a%00b", "a%20b", "x" * 101, "-"])
def test_a_flag_has_a_name(client: httpx.Client, key: str) -> None:
    refused(put(client, f"/v1/flags/{key}", {"variants": {"on": 1}}))


def test_flags_have_an_end(registry: Registry) -> None:
    for number in range(MOST_FLAGS):
        registry.set_flag(f"flag-{number}", {"on": 1})

    with pytest.raises(Invalid, match="already"):
        registry.set_flag("one-more", {"on": 1})
    assert registry.set_flag("flag-1", {"on": 2}) == {"variants": {"on": 2}}


@pytest.mark.parametrize(
    "change",
    [
        {"http": ""},
        {"http": "nowhere"},
        {"http": "a:0"},
        {"http": "a:65536"},
        {"http": "a b:1"},
        {"http": "a/b:1"},
        {"http": "evil@host:1"},
        {"grpc": "x"},
        {"weight": -1},
        {"weight": 10**9},
        {"weight": float("nan")},
        {"revision": -1},
        {"revision": 2**70},
        {"service": ""},
        {"host_name": "\ud800"},
        {"version": "v" * 201},
    ],
)
def test_an_instance_that_cannot_be_called_is_not_kept(
    client: httpx.Client, change: dict[str, Any]
) -> None:
    refused(put(client, "/v1/instances/gateway-1", {**BEAT, **change}))
    assert client.get("/v1/instances").json() == {"instances": []}


@pytest.mark.parametrize("http", ["127.0.0.1:80", "[::1]:80", "payment-service.shop.svc:65535"])
def test_an_instance_with_an_address_is_kept(client: httpx.Client, http: str) -> None:
    assert put(client, "/v1/instances/gateway-1", {**BEAT, "http": http}).status_code == 200
