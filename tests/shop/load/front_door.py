"""A front door without a shop behind it, answering from memory, for tests of the load."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import httpx


class FrontDoor(httpx.AsyncBaseTransport):
    """Answers as the gateway does. `looks_until_confirmed`: how often a quick order is pending.
    `refuse` maps `METHOD /path` to the status that it gets."""

    def __init__(self, looks_until_confirmed: int = 2) -> None:
        self.seen: list[httpx.Request] = []
        self.refuse: dict[str, int] = {}
        self.active_faults: dict[str, Any] = {}
        self.expired: set[str] = set()
        self.seconds = 0.0
        self._looks = looks_until_confirmed
        self._looked: Counter[str] = Counter()

    def paths(self) -> list[str]:
        """`METHOD /path` in the order they came."""
        return [f"{request.method} {request.url.path}" for request in self.seen]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "registry":
            return httpx.Response(200, json={"active": self.active_faults})
        self.seen.append(request)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        path = request.url.path.removeprefix("/api/v1")
        status = self.refuse.get(f"{request.method} {request.url.path}")
        if status is not None:
            return httpx.Response(status, json={"title": "refused"})
        if path == "/login":
            email = json.loads(request.content)["email"]
            tokens = sum(one.endswith("/login") for one in self.paths())
            return httpx.Response(200, json={"token": f"{email}#{tokens}"})
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token or token in self.expired:
            return httpx.Response(401, json={"title": "who are you?"})
        return httpx.Response(200, json=self._answer(request.method, path))

    def _answer(self, method: str, path: str) -> Any:
        if method == "POST":
            status = "pending" if path == "/quick-orders" else "confirmed"
            return {"order_id": f"order-{len(self.seen)}", "status": status}
        if path.startswith("/orders/"):
            self._looked[path] += 1
            is_pending = self._looked[path] < self._looks
            return {"order_id": path[8:], "status": "pending" if is_pending else "confirmed"}
        return []
