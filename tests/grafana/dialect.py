"""A dialect's application over a store in memory, asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from starlette.applications import Starlette

from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import Span
from longpole.storage.memory import MemoryStore


class Dialect:
    """One application; answers are httpx responses."""

    def __init__(
        self,
        create: Callable[[MemoryStore, ManualClock], Starlette],
        spans: Sequence[Span] = (),
        logs: Sequence[LogRecord] = (),
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock, 0.0, 0.0)
        for telemetry in (telemetry_of_spans(spans), telemetry_of_logs(logs)):
            if telemetry.accepted:
                self.store.submit(telemetry, self.clock.now_unix_nano()).result()
        self.app = create(self.store, self.clock)

    def get(self, path: str, headers: dict[str, str] | None = None, **asked: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as c:
                return await c.get(path, params=asked, headers=headers or {})

        return asyncio.run(request())
