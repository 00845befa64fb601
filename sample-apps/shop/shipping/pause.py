"""The fault `shipping-pause`: the whole process stands still, again and again.

As in a stop-the-world garbage collection, no thread of the process runs, so nothing in it can
notice: requests that are under way just take longer, all at the same moment. And as there, what
sets it off is mostly the work of some request.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable

from shop.chassis.ports import Faults

FAULT = "shipping-pause"

LOOK_SECONDS = 0.25
"""How often it is looked whether the fault is on, when there are no requests."""

IDLE_SECONDS = 1.0
"""How long a pause that is due waits for a request to set it off."""


def hold_the_interpreter(seconds: float) -> None:
    """Sleep without giving up the interpreter's lock, so that no other Python thread can run.
    `PyDLL` is what keeps the lock during a call; `CDLL` and `time.sleep` let it go."""
    ctypes.PyDLL(None).usleep(ctypes.c_uint(round(seconds * 1_000_000)))


class Pauses:
    """Stops the process for `seconds`, every `every_seconds` from one beginning to the next,
    while the fault is on. A detour, and a thread for when there is nothing to ship."""

    def __init__(
        self,
        faults: Faults,
        stop_the_world: Callable[[float], None] = hold_the_interpreter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._faults = faults
        self._stop_the_world = stop_the_world
        self._clock = clock
        self._lock = threading.Lock()
        self._next: float | None = None
        self._is_stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="pauses", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; waits for a pause that has begun."""
        self._is_stopped.set()
        if self._thread is not None:
            self._thread.join()

    def look(self, patience_seconds: float = 0.0) -> None:
        """Pause now if a pause is due for that long."""
        parameters = self._faults.active(FAULT)
        with self._lock:
            if parameters is None:
                self._next = None
                return
            now = self._clock()
            if self._next is None:
                self._next = now
            if now < self._next + patience_seconds:
                return
            self._next = now + float(parameters["every_seconds"])
        self._stop_the_world(float(parameters["seconds"]))

    def before_booking(self, order_id: str) -> None:
        """Be the request that sets a pause off."""
        self.look()

    def after_booking(self, order_id: str, tracking_code: str) -> None:
        """Nothing: a request sets off one pause at most."""

    def _run(self) -> None:
        while not self._is_stopped.wait(LOOK_SECONDS):
            self.look(IDLE_SECONDS)
