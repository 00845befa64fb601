"""Whether whoever asked is still there: a question that nobody waits for is given up.

Work in a thread cannot be stopped from outside. It looks at a stopwatch every so often, to keep to
its time; the stopwatch of a request whose client has gone away ends the work there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import anyio
from starlette.requests import Request
from starlette.responses import Response

# nginx's word for it; it is seen in logs, never by the client.
CLIENT_CLOSED = 499
_asking: ContextVar[threading.Event | None] = ContextVar("longpole_asking", default=None)

Stopwatch = Callable[[], Callable[[], float]]


class Gone(Exception):
    """The client went away."""


def stopwatch() -> Callable[[], float]:
    """Gives the seconds since it was made, as `while_asked` does."""
    begun = time.monotonic()
    return while_asked(lambda: time.monotonic() - begun)


def while_asked(elapsed: Callable[[], float]) -> Callable[[], float]:
    """The same, but it raises `Gone` once the client of this request has gone away."""
    gone = _asking.get()
    if gone is None:
        return elapsed

    def asked() -> float:
        if gone.is_set():
            raise Gone
        return elapsed()

    return asked


async def while_present(request: Request, work: Callable[[], Awaitable[Response]]) -> Response:
    """What `work` answers. When the client goes away, waiting for a turn is cancelled at once and
    a thread that works ends when it next looks at its stopwatch."""
    gone = threading.Event()
    made: Response = Response(status_code=CLIENT_CLOSED)
    async with anyio.create_task_group() as both:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                continue
            gone.set()
            both.cancel_scope.cancel()

        both.start_soon(watch)
        token = _asking.set(gone)
        try:
            made = await work()
        except Gone:
            pass
        finally:
            _asking.reset(token)
        both.cancel_scope.cancel()
    return made
