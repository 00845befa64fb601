"""A dialect's application asked like a server, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx


class Client:
    """One ASGI application. Redirects are answers too."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def get(self, path: str, parameters: Any = None, **headers: str) -> httpx.Response:
        """GET with a query string."""
        return self.send("GET", path, params=parameters, headers=headers)

    def post(self, path: str, form: Mapping[str, Any], **headers: str) -> httpx.Response:
        """POST with a form."""
        return self.send("POST", path, data=form, headers=headers)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request."""

        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://longpole") as client:
                return await client.request(method, path, **options)

        return asyncio.run(sent())
