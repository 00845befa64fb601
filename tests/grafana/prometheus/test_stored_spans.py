"""The dialect over a store: what spans say can be asked for, whatever time is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.promql_sources.store_catalog import stored_series
from longpole.analyzer.settle import settle_once
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore
from tests.grafana.dialect import Dialect
from tests.grafana.shop_spans import SPANS


def dialect(oldest: int | None = None) -> Dialect:
    """Over the shop's spans; `oldest` is when a client with a wrong clock says it was."""
    spans = list(SPANS)
    if oldest is not None:
        wrong = replace(SPANS[0], trace_id=7, start_unix_nano=oldest, end_unix_nano=oldest + 1000)
        spans.append(wrong)

    def create(store: MemoryStore, clock: ManualClock) -> Any:
        def oldest_ms() -> int:
            return (store.status().oldest_unix_nano or 0) // 10**6

        return prometheus_app(Asking(stored_series(store, clock), clock, oldest_ms=oldest_ms))

    found = Dialect(create, spans)
    found.clock.advance(120)
    settle_once(found.store, found.clock, PathOptions())
    return found


def test_questions_without_a_time_are_about_what_is_stored() -> None:
    shop = dialect()
    names = shop.get("/api/v1/label/__name__/values").json()["data"]
    assert "traces_spanmetrics_calls_total" in names
    assert "service_name" in shop.get("/api/v1/labels").json()["data"]
    calls = shop.get("/api/v1/query", query="sum(traces_spanmetrics_calls_total)").json()
    assert calls["data"]["result"][0]["value"][1] == str(len(SPANS))
    ever = shop.get(
        "/api/v1/query", query="sum(max_over_time(traces_spanmetrics_calls_total[90y]))"
    )
    assert ever.json()["data"]["result"][0]["value"][1] == str(len(SPANS))


@pytest.mark.parametrize("path", ["labels", "series?match[]=traces_spanmetrics_calls_total"])
def test_a_span_from_1970_does_not_make_fifty_years_of_steps(path: str) -> None:
    shop = dialect(oldest=1_000_000_000)
    address, _, query = path.partition("?")
    asked: dict[str, Any] = dict([query.split("=")]) if query else {}
    answer = shop.get(f"/api/v1/{address}", **asked)
    assert answer.status_code == 422
    assert "Ask for a shorter time" in answer.json()["error"]
    now = shop.clock.now_unix_nano() / 1e9
    assert shop.get(f"/api/v1/{address}", start=now - 3600, end=now, **asked).status_code == 200
