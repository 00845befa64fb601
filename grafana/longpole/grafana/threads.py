"""Runs the blocking questions of one dialect in threads, a few at once; the others wait.

Threads are shared by everything that the server shows, so one dashboard with many slow panels must
not take them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

AT_ONCE = 4


class Threads:
    """The threads of one dialect, in whatever event loop it runs."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._limiter: anyio.CapacityLimiter | None = None

    def run(
        self, endpoint: Callable[[Request], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The same endpoint, in one of these threads."""

        async def run(request: Request) -> Response:
            # A limiter belongs to a running loop, and there is none while the application is made.
            self._limiter = self._limiter or anyio.CapacityLimiter(self._at_once)
            return await anyio.to_thread.run_sync(endpoint, request, limiter=self._limiter)

        return run
