"""The application over a store in memory, asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from longpole.analyzer.alerting.board import FixedBoard, RuleBoard
from longpole.analyzer.settle import settle_once
from longpole.dashboards.answers import Answers
from longpole.dashboards.app import WebSettings, create_app
from longpole.dashboards.security import WebGuard
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore

TRACE_ID = 0x5B8EFFF798038103D269B633813FC60C
HEX = f"{TRACE_ID:032x}"
NO_RULES = FixedBoard()
START = 1_767_323_045_123_456_789


def span(number: int, parent: int = 0, **fields: Any) -> Span:
    """A span of 1 ms that starts `number` microseconds after START."""
    start = START + number * 1000
    values: dict[str, Any] = {
        "trace_id": TRACE_ID, "span_id": number, "parent_span_id": parent, "name": f"op {number}",
        "kind": 1, "start_unix_nano": start, "end_unix_nano": start + 1_000_000,
        "service_name": "svc",
    }  # fmt: skip
    return Span(**{**values, **fields})


class Web:
    """One server; answers are httpx responses."""

    def __init__(
        self, spans: Sequence[Span] = (), settled: bool = True, board: RuleBoard = NO_RULES
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, 0.0, 0.0)
        if spans:
            self.store.submit(telemetry_of_spans(spans), self.clock.now_unix_nano()).result()
        while settled and settle_once(self.store, self.clock).traces:
            pass
        self.answers = Answers(self.store, self.clock)
        app = create_app(
            self.store, self.clock, WebSettings("1.2.3", {"web": "127.0.0.1:4319"}, board=board),
            metrics=lambda: b"m 1\n",
        )  # fmt: skip
        self.app = WebGuard(app, "127.0.0.1")

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as c:
                return await c.request(method, path, **options)

        return asyncio.run(request())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)
