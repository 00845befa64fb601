"""The fault `shipping-pause`: the whole process stands still, again and again.

    a timer ─▶ due ──(requests under way, or a second gone)──▶ nothing runs ──▶ due again …

As in a stop-the-world garbage collection, no thread of the process runs: requests that are under
way take longer, and those that come meanwhile wait to be read, all until the same moment. No
request sets it off; a thread of its own does. And as a runtime does, the process measures how long
it stood still, and sends that as a metric.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider
from starlette.types import ASGIApp, Receive, Scope, Send

from shop.chassis.ports import Faults

FAULT = "shipping-pause"

LOOK_SECONDS = 0.25
"""How often it is looked whether the fault is on."""

PATIENCE_SECONDS = 1.0
"""How long a pause that is due waits for requests. At the rate of a demo a shipment every now and
then is under way for some milliseconds, and most pauses would meet nobody."""

BUSY_REQUESTS = 2
"""With so many under way, one can see that it was not the doing of one of them."""

# Like jvm.gc.duration and v8js.gc.duration; for CPython the conventions only have counters yet,
# and this attribute.
METRIC = "cpython.gc.duration"
FULL_COLLECTION = {"cpython.gc.generation": 2}


def hold_the_interpreter(seconds: float) -> None:
    """Sleep without giving up the interpreter's lock, so that no other Python thread can run.
    `PyDLL` is what keeps the lock during a call; `CDLL` and `time.sleep` let it go."""
    ctypes.PyDLL(None).usleep(ctypes.c_uint(round(seconds * 1_000_000)))


class Pauses:
    """Stops the process for `seconds`, every `every_seconds` from one beginning to the next,
    while the fault is on."""

    def __init__(
        self,
        faults: Faults,
        stop_the_world: Callable[[float], None] = hold_the_interpreter,
        clock: Callable[[], float] = time.monotonic,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._faults = faults
        self._stop_the_world = stop_the_world
        self._clock = clock
        self._due: float | None = None
        # Guards what is below it, and is told when there is something to see.
        self._changed = threading.Condition()
        self._under_way = 0
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self._durations = metrics.get_meter(
            "shop.shipping", meter_provider=meter_provider
        ).create_histogram(
            METRIC,
            unit="s",
            description="How long the collector of garbage stopped the process.",
            explicit_bucket_boundaries_advisory=[0.01, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
        )

    def watch(self, app: FastAPI) -> None:
        """Know of the requests that this app has under way."""
        app.add_middleware(_Counted, pauses=self)

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="pauses", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; waits for a pause that has begun."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is under way inside."""
        with self._changed:
            self._under_way += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1

    def step(self) -> float:
        """Pause now if it is time to; returns in how many seconds to look again at the latest."""
        parameters = self._faults.active(FAULT)
        if parameters is None:
            self._due = None
            return LOOK_SECONDS
        now = self._clock()
        if self._due is None:
            self._due = now
        if now < self._due:
            return min(LOOK_SECONDS, self._due - now)
        if not self._is_busy() and now < self._due + PATIENCE_SECONDS:
            return min(LOOK_SECONDS, self._due + PATIENCE_SECONDS - now)
        self._due = now + float(parameters["every_seconds"])
        self._stop_the_world(float(parameters["seconds"]))
        self._durations.record(self._clock() - now, FULL_COLLECTION)
        return 0.0

    def _is_busy(self) -> bool:
        return self._under_way >= BUSY_REQUESTS

    def _is_awaited(self) -> bool:
        return self._due is not None and self._due <= self._clock() and self._is_busy()

    def _run(self) -> None:
        while not self._is_stopped:
            seconds = self.step()
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopped or self._is_awaited(), seconds)


class _Counted:
    """Middleware that tells of the requests under way."""

    def __init__(self, app: ASGIApp, pauses: Pauses) -> None:
        self._app = app
        self._pauses = pauses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._pauses.request():
            await self._app(scope, receive, send)
