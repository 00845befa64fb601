"""A shopper: one user at the front door, who logs in when that is needed."""

from __future__ import annotations

import time
from typing import Any

import httpx

from shop.load.customers import login_of
from shop.load.outcomes import Outcomes

# Longer than any fault makes a request last: what the shop gives up on, the shop has to say.
TIMEOUT = httpx.Timeout(40.0, connect=5.0)


class Tokens(dict[str, str]):
    """The session token of each user who is logged in."""


class GaveUp(Exception):
    """The journey cannot go on; the text is its outcome."""


class Shopper:
    """`request` notes every answer; one that is no success ends the journey as `GaveUp`."""

    def __init__(
        self, client: httpx.AsyncClient, user_id: str, tokens: Tokens, outcomes: Outcomes
    ) -> None:
        self.user_id = user_id
        self._client = client
        self._tokens = tokens
        self._outcomes = outcomes

    async def login(self) -> None:
        """Get a new token."""
        session = await self._send("POST", "/api/v1/login", json=login_of(self.user_id))
        self._tokens[self.user_id] = str(session["token"])

    async def get(self, route: str, **values: str) -> Any:
        """`route` as `/api/v1/products/{sku}`; `values` fill it."""
        return await self._as_user("GET", route, values, {})

    async def post(self, route: str, body: Any, idempotency_key: str) -> Any:
        """Send JSON once."""
        sent = {"json": body, "headers": {"Idempotency-Key": idempotency_key}}
        return await self._as_user("POST", route, {}, sent)

    async def _as_user(
        self, method: str, route: str, values: dict[str, str], sent: dict[str, Any]
    ) -> Any:
        if self.user_id not in self._tokens:
            await self.login()
        headers = sent.pop("headers", {})
        for is_last in (False, True):
            token = {"Authorization": f"Bearer {self._tokens[self.user_id]}"}
            try:
                return await self._send(method, route, values, headers={**headers, **token}, **sent)
            except GaveUp as reason:
                # The token has run out: log in once more.
                if is_last or str(reason) != "401":
                    raise
            await self.login()
        raise AssertionError("unreachable")

    async def _send(
        self, method: str, route: str, values: dict[str, str] | None = None, **sent: Any
    ) -> Any:
        path = route.format(**(values or {}))
        started = time.perf_counter()
        answer = "cancelled"
        try:
            response = await self._client.request(method, path, timeout=TIMEOUT, **sent)
            answer = str(response.status_code)
        except httpx.TimeoutException:
            answer = "timeout"
        except httpx.HTTPError:
            answer = "no connection"
        finally:
            self._outcomes.request(f"{method} {route}", answer, time.perf_counter() - started)
        if not answer.startswith("2"):
            raise GaveUp(answer)
        return response.json()
