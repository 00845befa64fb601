"""Answers decode as strictly as zipkin-go decodes them, which Grafana's Zipkin data source uses."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest

from longpole.grafana.zipkin.app import zipkin_app
from tests.grafana.dialect import Dialect
from tests.grafana.shop_spans import FAILED, FINE, NOON, SPANS

END_MS = NOON // 10**6 + 10_000


@pytest.fixture(scope="module")
def grafana() -> Dialect:
    return Dialect(zipkin_app, SPANS)


def data(dialect: Dialect, path: str, **asked: Any) -> Any:
    answer = dialect.get(f"/api/v2/{path}", **asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def check_spans(spans: Any) -> None:
    assert spans
    for span in spans:
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["id"])
        assert re.fullmatch("[0-9a-f]{16}", span.get("parentId", "0" * 16))
        assert type(span["timestamp"]) is int
        assert type(span["duration"]) is int
        assert span.get("kind", "SERVER") in ("CLIENT", "SERVER", "PRODUCER", "CONSUMER")
        assert isinstance(span["localEndpoint"]["serviceName"], str)
        assert all(isinstance(value, str) for value in span["tags"].values())
        assert all(type(one["timestamp"]) is int for one in span["annotations"])


def test_services_and_names_are_lists_of_texts(grafana: Dialect) -> None:
    assert data(grafana, "services") == ["cart", "gateway", "payment", "stock"]
    assert data(grafana, "spans", serviceName="gateway") == ["GET /", "GET /cart"]
    assert data(grafana, "spans", serviceName="nobody") == []


def test_a_trace_is_a_list_of_spans(grafana: Dialect) -> None:
    spans = data(grafana, f"trace/{FAILED:x}")
    check_spans(spans)
    assert len(spans) == 4


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", [FINE, FAILED]),
        ("limit=1", [FINE]),
        ("serviceName=payment", [FAILED]),
        ("serviceName=gateway&spanName=GET /", [FINE]),
        ("annotationQuery=error", [FAILED]),
        ("annotationQuery=error and db.system=postgresql", [FAILED]),
        ("minDuration=98500", [FINE, FAILED]),
        ("minDuration=99500", []),
    ],
)
def test_searches_find_what_they_ask_for(grafana: Dialect, asked: str, found: list[int]) -> None:
    traces = data(grafana, "traces", endTs=END_MS, **dict[str, Any](parse_qsl(asked)))
    for trace in traces:
        check_spans(trace)
    assert [trace[0]["traceId"] for trace in traces] == [f"{one:032x}" for one in found]


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("trace/xyz", "", 400),
        ("trace/" + "0" * 31 + "9", "", 404),
        ("traces", "limit=0", 400),
        ("traces", "endTs=x", 400),
        ("traces", "lookback=-1", 400),
        ("traces", "annotationQuery=cached", 400),
    ],
)
def test_errors_are_words(grafana: Dialect, path: str, asked: str, status: int) -> None:
    answer = grafana.get(f"/api/v2/{path}", **dict[str, Any](parse_qsl(asked)))
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
