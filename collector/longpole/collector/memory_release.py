"""Giving memory back to the system: after a big request, and while a server is busy.

glibc and Arrow keep what was freed for the next allocation. After a 64 MiB request that is
hundreds of megabytes that nobody needs, so once it is over they are asked to let go. Under load
rows that stay lie between those that were sealed, and hundreds more are free in small pieces.
"""

from __future__ import annotations

import asyncio
import gc
import time
from concurrent.futures import Executor

import pyarrow as pa

from longpole.model.heap import trim_heap

BIG_BYTES = 4 << 20
# Once more for what a slow machine still held at the first time.
_PAUSES_SECONDS = (1.0, 4.0)
# So much work since the last time makes it worth to look through the heap, which takes some ten
# milliseconds.
_BUSY_CPU_SECONDS = 0.5


class MemoryRelease:
    """Releases a moment after the last big request, and once more. Lives on one event loop."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._timers: list[asyncio.TimerHandle] = []

    def after(self, size: int) -> None:
        """Note that a request of `size` bytes is over; schedules a release if it was big."""
        if size < BIG_BYTES:
            return
        self.cancel()
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(pause, self._pool.submit, release) for pause in _PAUSES_SECONDS
        ]

    def cancel(self) -> None:
        """Forget what was scheduled."""
        for timer in self._timers:
            timer.cancel()


def release() -> None:
    """Return unused memory of Arrow's pool and of the C library's heap, where it can."""
    # A refusal that crossed several tasks leaves exceptions, frames and futures that hold
    # each other, and one of the frames holds the body.
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim_heap()


class HeapTrimming:
    """Trims the heap of a process that is busy; costs nothing while it is idle."""

    def __init__(self) -> None:
        self._trimmed_at_cpu_seconds = time.process_time()

    def trim_if_busy(self) -> None:
        """To be called every few seconds."""
        if time.process_time() - self._trimmed_at_cpu_seconds >= _BUSY_CPU_SECONDS:
            trim_heap()
            self._trimmed_at_cpu_seconds = time.process_time()
