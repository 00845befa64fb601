"""The contracts in sample-apps/openapi: what the code says, and only ever more of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from shop.__main__ import main
from shop.chassis.errors import RateLimited
from shop.chassis.problem import install_problem_handlers
from shop.openapi import FOLDER, compare, document_of, write, written
from shop.openapi_changes import breaking_changes
from shop.topology import SERVICES
from tests.shop.runtime.serving import client_of


@pytest.fixture(scope="module")
def shipping() -> dict[str, Any]:
    """The contract of shipping-service, from its code."""
    return document_of("shipping-service")


@pytest.mark.parametrize("service", SERVICES)
def test_the_file_says_what_the_code_says(service: str) -> None:
    found = compare(service)

    assert list(found.breaking) == [], "begin a new version of the route instead"
    assert found.is_same, "python -m shop openapi --write"


def test_every_service_has_a_file_and_every_file_a_service() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(SERVICES)


def test_a_contract_is_versioned_and_says_nothing_of_probes(shipping: dict[str, Any]) -> None:
    for service in SERVICES:
        paths = json.loads((FOLDER / f"{service}.json").read_text())["paths"]
        assert paths
        assert all(path.startswith(("/v1/", "/api/v1/")) for path in paths), service
    assert "/v1/shipments" in shipping["paths"]


@pytest.mark.parametrize("service", ["gateway", "recommendation-service"])
def test_a_release_does_not_change_the_contract(service: str) -> None:
    assert document_of(service, release="9.9.9") == document_of(service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_contract_says_that_errors_are_problems(service: str) -> None:
    document = document_of(service)

    for path, routes in document["paths"].items():
        for method, route in routes.items():
            for status, answer in route["responses"].items():
                kinds = ["application/json" if status < "3" else "application/problem+json"]
                assert list(answer["content"]) == kinds, (method, path, status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_problem_has_what_the_contract_says(shipping: dict[str, Any]) -> None:
    promised = schema(shipping, "Problem")
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/{number}")
    def number(number: int) -> int:
        raise RateLimited("slowly", 2.0)

    with client_of(app) as client:
        for path in ("/x", "/1", "/no/such"):
            said = client.get(path).json()
            assert set(promised["required"]) <= set(said) <= set(promised["properties"])


def changed(document: dict[str, Any], change: Callable[[Any], object]) -> dict[str, Any]:
    """A copy with the change made."""
    copied = copy.deepcopy(document)
    change(copied)
    return copied


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def post(document: Any) -> Any:
    return document["paths"]["/v1/shipments"]["post"]


BREAKING: dict[str, tuple[Callable[[Any], object], str]] = {
    "a route is taken away": (
        lambda d: d["paths"].pop("/v1/shipments/{shipment_id}"),
        "DELETE /v1/shipments/{shipment_id} is gone",
    ),
    "a method is taken away": (
        lambda d: d["paths"]["/v1/shipments"].pop("post"),
        "POST /v1/shipments is gone",
    ),
    "an answer loses a field": (
        lambda d: schema(d, "Shipment")["properties"].pop("tracking_code"),
        "POST /v1/shipments: answer 201 lost tracking_code",
    ),
    "a field of an answer may be missing": (
        lambda d: schema(d, "Shipment")["required"].remove("carrier"),
        "POST /v1/shipments: answer 201 has carrier no longer always",
    ),
    "a field of an answer changes its type": (
        lambda d: schema(d, "Shipment")["properties"]["status"].update(type="integer"),
        "POST /v1/shipments: answer 201.status is integer, and was string",
    ),
    "a request needs one more field": (
        lambda d: schema(d, "ShipmentRequest")["required"].append("weight"),
        "POST /v1/shipments: body now needs weight",
    ),
    "a field deep in a request is no longer taken": (
        lambda d: schema(d, "Address")["properties"].pop("street"),
        "POST /v1/shipments: body.address no longer takes street",
    ),
    "a request may hold less": (
        lambda d: schema(d, "ShipmentRequest")["properties"]["lines"].update(maxItems=5),
        "POST /v1/shipments: body.lines: maxItems is 5, and was 20",
    ),
    "an item of a list in a request changes": (
        lambda d: schema(d, "Line")["properties"]["quantity"].update(maximum=10.0),
        "POST /v1/shipments: body.lines[].quantity: maximum is 10.0, and was 100.0",
    ),
    "a header becomes necessary": (
        lambda d: post(d)["parameters"].append(
            {"in": "header", "name": "x-tenant", "required": True, "schema": {"type": "string"}}
        ),
        "POST /v1/shipments now needs the header parameter x-tenant",
    ),
    "a header is no longer taken": (
        lambda d: post(d).update(parameters=[]),
        "POST /v1/shipments no longer takes the header parameter idempotency-key",
    ),
    "success has another status": (
        lambda d: post(d)["responses"].update({"200": post(d)["responses"].pop("201")}),
        "POST /v1/shipments no longer answers with 201",
    ),
    "a body is no longer taken": (
        lambda d: post(d).pop("requestBody"),
        "POST /v1/shipments no longer takes a body",
    ),
}


@pytest.mark.parametrize("what", BREAKING)
def test_a_change_that_breaks_clients_is_named(what: str, shipping: dict[str, Any]) -> None:
    change, words = BREAKING[what]

    assert words in breaking_changes(shipping, changed(shipping, change))


GROWTH: dict[str, Callable[[Any], object]] = {
    "a route": lambda d: d["paths"].update({"/v2/shipments": d["paths"]["/v1/shipments"]}),
    "a field of an answer": lambda d: schema(d, "Shipment")["properties"].update(
        price_cents={"type": "integer"}
    ),
    "a field that a request need not have": lambda d: schema(d, "ShipmentRequest")[
        "properties"
    ].update(note={"type": "string"}),
    "a header that a request need not have": lambda d: post(d)["parameters"].append(
        {"in": "header", "name": "x-note", "required": False, "schema": {"type": "string"}}
    ),
    "another answer": lambda d: post(d)["responses"].update({"409": {"description": "taken"}}),
    "room in a request": lambda d: schema(d, "ShipmentRequest")["properties"]["lines"].update(
        maxItems=50
    ),
    "words": lambda d: post(d).update(summary="Better words"),
}


@pytest.mark.parametrize("what", GROWTH)
def test_growth_breaks_nobody(what: str, shipping: dict[str, Any]) -> None:
    assert breaking_changes(shipping, changed(shipping, GROWTH[what])) == []


def test_writing_keeps_growth_and_refuses_what_breaks(tmp_path: Path) -> None:
    assert write(tmp_path) == []
    file = tmp_path / "user-service.json"
    kept = json.loads(file.read_text())
    # A file that promises less than the code does, and one that promises more.
    file.write_text(written(changed(kept, lambda d: d["paths"].pop("/v1/sessions"))))
    other = tmp_path / "payment-service.json"
    promised = json.loads(other.read_text())
    promised["paths"]["/v1/charges/latest"] = promised["paths"]["/v1/charges/{charge_id}"]
    other.write_text(written(promised))

    assert write(tmp_path) == ["payment-service breaks its clients: GET /v1/charges/latest is gone"]
    assert json.loads(file.read_text()) == kept
    assert json.loads(other.read_text()) == promised


def test_the_command_fails_while_files_and_code_disagree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ["--folder", str(tmp_path)]

    assert main(["openapi", *folder]) == 1
    assert "user-service: the code says more than its file" in capsys.readouterr().err
    assert main(["openapi", "--write", *folder]) == 0
    assert main(["openapi", *folder]) == 0
