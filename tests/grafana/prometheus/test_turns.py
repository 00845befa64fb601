"""Slow questions make others wait a while, and never those that cost nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import httpx
import pytest

from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.series import Series
from longpole.grafana.prometheus import asked
from longpole.grafana.prometheus.app import AT_ONCE, prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import ManualClock
from tests.grafana.client import Client


class Slow(MemoryCatalog):
    """Queries wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        self.begun.release()
        assert self.go.wait(30)
        return []


def test_while_all_places_are_taken_others_are_told_and_free_ones_answered() -> None:
    slow = Slow()

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=prometheus_app(Asking(slow, ManualClock())))
        async with httpx.AsyncClient(transport=transport, base_url="http://longpole") as client:

            def get(path: str, **parameters: str) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.get(f"/api/v1/{path}", params=parameters))

            taken = [get("query", query="m") for _ in range(AT_ONCE)]
            for _ in taken:
                await asyncio.to_thread(slow.begun.acquire, timeout=30)
            try:
                others = [
                    await get("query", query="m", timeout="10ms"),
                    await get("query", query="1 + 1"),
                    await get("query", query="m{"),
                    await get("labels"),
                    await get("status/buildinfo"),
                ]
            finally:
                slow.go.set()
            return [*others, *await asyncio.gather(*taken)]

    told, *others = asyncio.run(ask())
    assert (told.status_code, told.json()["errorType"]) == (503, "timeout")
    assert "4 questions are worked on at once" in told.json()["error"]
    assert told.headers["retry-after"] == "1"
    assert [one.status_code for one in others] == [200, 400, 200, 200] + [200] * AT_ONCE


DIALECT = Client(prometheus_app(Asking(MemoryCatalog(), ManualClock())))


@pytest.mark.parametrize(("path", "name"), [("query", "query"), ("series", "match[]")])
def test_a_long_query_is_refused_before_it_is_decoded(
    path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "parse_qsl", lambda *_, **__: pytest.fail("it was decoded"))
    answer = DIALECT.post(f"/api/v1/{path}", {name: "x" * 500_000})
    assert answer.status_code == 400
    assert f'invalid parameter "{name}": the query is longer' in answer.json()["error"]


def test_a_query_of_wide_characters_may_be_as_long_as_any() -> None:
    answer = DIALECT.post("/api/v1/query", {"query": '"' + "\N{WRENCH}" * 65_000 + '"'})
    assert answer.json()["data"]["resultType"] == "string"


@pytest.mark.parametrize(
    "path",
    ["query", "query_range?start=0&end=1&step=1", "format_query", "query_exemplars?start=0&end=1"],
)
def test_a_missing_query_is_named(path: str) -> None:
    answer = DIALECT.get(f"/api/v1/{path}")
    assert answer.status_code == 400
    assert 'invalid parameter "query"' in answer.json()["error"]
    assert "missing or empty" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/", "/api/v1/label/x/nothing"])
def test_a_path_that_there_is_not_is_said_in_json(path: str) -> None:
    answer = DIALECT.get(path)
    assert answer.status_code == 404
    assert (answer.json()["status"], answer.json()["errorType"]) == ("error", "not_found")


def test_a_method_that_is_not_possible_is_said_in_json() -> None:
    answer = DIALECT.send("DELETE", "/api/v1/series")
    assert answer.status_code == 405
    assert answer.json()["status"] == "error"
