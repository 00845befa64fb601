"""Some questions of a dialect wait for a while, no more than that, and nobody works for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.grafana.jaeger import app as jaeger
from longpole.grafana.loki import app as loki
from longpole.grafana.presence import stopwatch
from longpole.grafana.tempo import app as tempo
from longpole.grafana.threads import AT_ONCE, Threads
from longpole.grafana.turns import NoTurn, Turns
from longpole.grafana.zipkin import app as zipkin
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore


class Slow(MemoryStore):
    """Lists of names wait until they are let go."""

    def __init__(self) -> None:
        super().__init__(ManualClock(), 0.0, 0.0)
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def service_colours(self) -> Mapping[str, int]:
        self._wait()
        return super().service_colours()

    def attribute_places(self, *asked: Any, **named: Any) -> Any:
        self._wait()
        return super().attribute_places(*asked, **named)

    def _wait(self) -> None:
        self.begun.release()
        assert self.go.wait(30)


def jaeger_of(store: Slow) -> Starlette:
    return jaeger.jaeger_app(store, MemoryCatalog(), ManualClock())


def zipkin_of(store: Slow) -> Starlette:
    return zipkin.zipkin_app(store, ManualClock())


def tempo_of(store: Slow) -> Starlette:
    return tempo.create_tempo_app(store, ManualClock())


def loki_of(store: Slow) -> Starlette:
    return loki.create_loki_app(store, ManualClock())


def of_jaeger(answer: httpx.Response) -> str:
    (error,) = answer.json()["errors"]
    assert error["code"] == answer.status_code
    assert answer.json()["data"] is None
    return str(error["msg"])


def in_plain_text(answer: httpx.Response) -> str:
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


@pytest.mark.parametrize(
    ("module", "make", "path", "words_of"),
    [
        (jaeger, jaeger_of, "/api/services", of_jaeger),
        (zipkin, zipkin_of, "/api/v2/services", in_plain_text),
        (tempo, tempo_of, "/api/v2/search/tags", in_plain_text),
        (loki, loki_of, "/loki/api/v1/labels", in_plain_text),
    ],
    ids=["jaeger", "zipkin", "tempo", "loki"],
)
def test_who_waits_too_long_and_who_comes_too_late_is_told_to_come_again(
    module: ModuleType,
    make: Callable[[Slow], Starlette],
    path: str,
    words_of: Callable[[httpx.Response], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "Threads", partial(Threads, most_waiting=1, wait_seconds=0.1))
    store = Slow()

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=make(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://longpole") as client:
            taken = [asyncio.create_task(client.get(path)) for _ in range(AT_ONCE)]
            for _ in taken:
                await asyncio.to_thread(store.begun.acquire, timeout=30)
            try:
                others = await asyncio.gather(client.get(path), client.get(path))
            finally:
                store.go.set()
            return [*others, *await asyncio.gather(*taken)]

    one, other, *served = asyncio.run(ask())
    patient, crowded = sorted((one, other), key=lambda answer: -answer.status_code)
    assert (patient.status_code, crowded.status_code) == (503, 429)
    assert "none of them ended within 0.1 s" in words_of(patient)
    assert "too many outstanding requests" in words_of(crowded)
    assert crowded.headers["retry-after"] == patient.headers["retry-after"] == "1"
    assert [one.status_code for one in served] == [200] * AT_ONCE


def test_a_question_without_time_is_not_told_that_others_are_slow() -> None:
    with pytest.raises(NoTurn, match="leaves no time"):
        asyncio.run(Turns(4).run(lambda: None, 0.0))


@dataclass
class Work:
    """Goes on until its stopwatch says that nobody waits."""

    begun: threading.Event = field(default_factory=threading.Event)
    rounds: int = 0

    def answer(self, request: Request) -> Response:
        elapsed = stopwatch()
        self.begun.set()
        while elapsed() < 60:
            self.rounds += 1
        return Response("at last")


def test_work_ends_when_nobody_waits_for_it_any_more() -> None:
    work = Work()
    app = Starlette(routes=[Route("/", Threads(at_once=1).run(work.answer))])

    async def leave() -> list[str]:
        has_left = asyncio.Event()
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            if not has_left.is_set():
                await asyncio.to_thread(work.begun.wait, 30)
                has_left.set()
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(str(message.get("status", "")))

        scope = {
            "type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"",
            "server": ("longpole", 80), "scheme": "http", "root_path": "",
        }  # fmt: skip
        async with asyncio.timeout(30):
            await app(scope, receive, send)
        return sent

    assert asyncio.run(leave())[0] == "499"
    assert work.begun.is_set()
