"""An asyncio loop on a thread of its own, for blocking callers who must be able to give up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoop:
    """The thread begins with the first call, so that a process that has opened this may still
    fork. Calls come from any thread but the loop's own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: set[Future[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_cancelled = False
        self._is_stopped = False

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do that on the loop and wait. Raises what it raises, `CancelledError` after `stop`."""
        with self._lock:
            loop = self._begun()
            future = asyncio.run_coroutine_threadsafe(self._tracked(work), loop)
        return future.result()

    def run_until_cancelled(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """As `run`, but `cancel` ends it too: with `CancelledError`."""
        with self._lock:
            if self._is_cancelled:
                raise CancelledError
            loop = self._begun()
            future = asyncio.run_coroutine_threadsafe(self._tracked(work), loop)
            self._running.add(future)
        try:
            return future.result()
        finally:
            with self._lock:
                self._running.discard(future)

    def cancel(self) -> None:
        """End every `run_until_cancelled` under way, and every later one."""
        with self._lock:
            self._is_cancelled = True
            running = list(self._running)
        for future in running:
            future.cancel()

    def stop(self, last: Callable[[], Awaitable[None]] | None = None) -> None:
        """Cancel, do this last thing on the loop, end the thread. A second call does nothing."""
        self.cancel()
        with self._lock:
            self._is_stopped = True
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(last), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._is_stopped:
            raise CancelledError
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop

    async def _tracked(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work()
        finally:
            self._tasks.discard(task)

    async def _end(self, last: Callable[[], Awaitable[None]] | None) -> None:
        # What was cancelled is let finish first: it may hold connections.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if last is not None:
            await last()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
