"""Problems: every error as a document, and back as its class, over real HTTP."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel

from shop.chassis import errors
from shop.chassis.errors import DependencyError, RateLimited, ShopError
from shop.chassis.problem import BY_CODE, MEDIA_TYPE, error_of, raise_problem
from tests.shop.calls.servers import serving, shop_app


class Line(BaseModel):
    sku: str
    quantity: int


class Failing:
    """An app that raises what it is told."""

    def __init__(self) -> None:
        self.error: Exception = ShopError("nothing")
        self.app = shop_app()

        @self.app.get("/v1/fail")
        def fail() -> None:
            raise self.error

        @self.app.get("/v1/users/{user_id}")
        def user(user_id: str) -> None:
            raise self.error

        @self.app.post("/v1/lines")
        def lines(line: Line) -> Line:
            return line

        @self.app.get("/v1/proxy/{status}")
        def proxy(status: int) -> HTMLResponse:
            return HTMLResponse("<h1>sorry</h1>", status)

        @self.app.get("/v1/stream")
        def stream() -> StreamingResponse:
            def parts() -> Iterator[bytes]:
                yield b"half of "
                raise self.error

            return StreamingResponse(parts())


@pytest.fixture(scope="module")
def failing() -> Failing:
    return Failing()


@pytest.fixture(scope="module")
def client(failing: Failing) -> Iterator[httpx.Client]:
    with (
        serving(failing.app) as address,
        httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=30.0) as client,
    ):
        yield client


def document(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == MEDIA_TYPE
    answer: dict[str, Any] = response.json()
    assert answer["status"] == response.status_code
    return answer


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=lambda kind: kind.__name__)
def test_every_error_keeps_its_class_over_http(
    failing: Failing, client: httpx.Client, kind: type[ShopError]
) -> None:
    failing.error = error_of(kind, "not today", "carrier", 2.5)
    response = client.get("/v1/fail")
    assert response.status_code == kind.http_status
    assert document(response) == {
        "type": f"urn:shop:problem:{kind.code}",
        "title": kind.code.replace("_", " ").capitalize(),
        "status": kind.http_status,
        "code": kind.code,
        "detail": "not today",
        "retryable": kind.is_retryable,
        **({"dependency": "carrier"} if issubclass(kind, DependencyError) else {}),
        **({"retry_after_seconds": 2.5} if kind is RateLimited else {}),
    }
    with pytest.raises(kind, match="not today") as caught:
        raise_problem(response, "shipping-service")
    assert type(caught.value) is kind
    if isinstance(caught.value, DependencyError):
        assert caught.value.dependency == "carrier"
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after_seconds == 2.5


def test_every_class_of_error_can_travel() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ShopError) and kind is not ShopError
    }
    assert kinds == set(BY_CODE.values())


def test_who_is_limited_is_told_when_to_come_back(failing: Failing, client: httpx.Client) -> None:
    failing.error = RateLimited("100 requests a minute are allowed", 1.2)
    assert client.get("/v1/fail").headers["retry-after"] == "2"


def test_a_request_of_the_wrong_form_is_told_which_field(client: httpx.Client) -> None:
    response = client.post("/v1/lines", json={"sku": "sku-1", "quantity": "many"})
    problem = document(response)
    assert (response.status_code, problem["code"]) == (422, "invalid")
    (fault,) = problem["errors"]
    assert fault["field"] == "body.quantity"
    assert "integer" in fault["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/v1/nowhere", 404, "not_found"), ("DELETE", "/v1/lines", 405, "invalid")],
)
def test_a_route_that_is_not_there_is_a_problem_too(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, document(response)["code"]) == (status, code)


def test_an_unknown_exception_says_nothing_outside_and_everything_in_the_log(
    failing: Failing, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    failing.error = ValueError("the password is hunter2")
    with caplog.at_level(logging.ERROR):
        response = client.get("/v1/fail")
    assert response.status_code == 500
    assert document(response)["code"] == "internal"
    assert "hunter2" not in response.text
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert record.name == "shop.problem"
    assert record.exc_info is not None
    assert record.exc_info[1] is failing.error
    with pytest.raises(DependencyError) as caught:
        raise_problem(response, "shipping-service")
    assert (type(caught.value), caught.value.dependency) == (DependencyError, "shipping-service")
    assert caught.value.is_final


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("a defect"), "GET /v1/users/{user_id} failed unexpectedly"),
        (errors.DependencyTimeout("x", "late"), "GET /v1/users/{user_id} failed: late"),
    ],
)
def test_the_log_names_the_route_and_not_the_user(
    failing: Failing,
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    words: str,
) -> None:
    failing.error = error
    with caplog.at_level(logging.WARNING):
        client.get("/v1/users/user-7")
    assert [one.getMessage() for one in caplog.records if one.name == "shop.problem"] == [words]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Invalid),
        (401, errors.Unauthorized),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (500, errors.DependencyError),
        (502, errors.DependencyError),
        (503, errors.DependencyUnavailable),
        (504, errors.DependencyTimeout),
    ],
)
def test_an_answer_of_somebody_else_is_understood_by_its_status(
    client: httpx.Client, status: int, kind: type[ShopError]
) -> None:
    with pytest.raises(kind, match=f"GET /v1/proxy/{status} answered {status}") as caught:
        raise_problem(client.get(f"/v1/proxy/{status}"), "shipping-service")
    assert type(caught.value) is kind
    assert not caught.value.is_final


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"code": 7, "retry_after_seconds": "x"}'])
def test_a_document_that_makes_no_sense_is_understood_by_its_status(body: bytes) -> None:
    response = httpx.Response(
        429,
        content=body,
        headers={"content-type": MEDIA_TYPE, "retry-after": "soon"},
        request=httpx.Request("GET", "http://shipping-service/v1/shipments"),
    )
    with pytest.raises(RateLimited) as caught:
        raise_problem(response, "shipping-service")
    assert caught.value.retry_after_seconds == 1.0


def test_an_answer_below_400_is_no_problem(client: httpx.Client) -> None:
    raise_problem(client.get("/v1/proxy/200"), "shipping-service")


def test_an_answer_that_breaks_off_is_cut_and_not_completed(
    failing: Failing, client: httpx.Client
) -> None:
    failing.error = ValueError("out of paper")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.get("/v1/stream")
