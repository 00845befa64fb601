"""What the web port answers before, and beside, the application: probes at once, everything
else as soon as the application is imported (heavy imports come after data is accepted)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson

from longpole.dashboards.errors import document
from longpole.dashboards.security import App, Receive, Scope, Send, answer

PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.02


class FrontDoor:
    """An ASGI app that holds requests until `open` was called, at most `patience_seconds`.

    `is_replayed` says whether every journaled record can be found; `is_accepting` whether data
    is taken in (no longer while draining).
    """

    def __init__(
        self,
        is_accepting: Callable[[], bool],
        is_replayed: Callable[[], bool],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._is_accepting = is_accepting
        self._is_replayed = is_replayed
        self._patience_seconds = patience_seconds
        self._app: App | None = None
        self._failure: str | None = None

    def open(self, app: App) -> None:
        """Let requests through to `app`. May be called from any thread."""
        self._app = app

    def fail(self, reason: str) -> None:
        """The application cannot come up: answer 500 instead of waiting."""
        self._failure = reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await answer(send, 200, b"ok\n", media_type=b"text/plain; charset=utf-8")
            return
        if scope["path"] == "/readyz":
            await self._ready(scope, send)
            return
        app = await self._application()
        if app is None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})
            return
        if app is not None:
            await app(scope, receive, send)
        elif self._failure is not None:
            await answer(send, 500, orjson.dumps(document("bug", self._failure)))
        else:
            body = orjson.dumps(document("starting", "the server is starting; ask again"))
            await answer(send, 503, body, ((b"retry-after", b"1"),))

    async def _application(self) -> App | None:
        deadline = asyncio.get_running_loop().time() + self._patience_seconds
        while self._app is None and self._failure is None:
            if asyncio.get_running_loop().time() > deadline:
                return None
            await asyncio.sleep(_POLL_SECONDS)
        return self._app

    async def _ready(self, scope: Scope, send: Send) -> None:
        is_full = scope["query_string"].partition(b"=")[0] == b"full"
        if not self._is_accepting():
            status, text = 503, b"not accepting data\n"
        elif is_full and self._app is None:
            status, text = 503, b"accepting data; the pages are still loading\n"
        elif is_full and not self._is_replayed():
            status, text = 503, b"accepting data; the journal is being replayed\n"
        else:
            status, text = 200, b"ready\n"
        await answer(send, status, text, media_type=b"text/plain; charset=utf-8")
