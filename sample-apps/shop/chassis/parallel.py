"""Parallel calls: several at a time on a bounded pool, each within the caller's trace context."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from shop.chassis.errors import DependencyTimeout

T = TypeVar("T")


class Parallel:
    """A pool of `threads` threads, started as they are needed. Give each purpose its own pool: a
    call that runs on a pool and waits for others on the same one may wait for ever."""

    def __init__(self, name: str, threads: int = 16) -> None:
        self._name = name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def run(
        self, calls: Sequence[Callable[[], T]], deadline_seconds: float | None = None
    ) -> list[T | Exception]:
        """What each call returned or raised, in the order of `calls`.

        Spans that a call starts are children of the span that is current here. A call that has
        not ended `deadline_seconds` from now counts as a `DependencyTimeout`; if it has not
        begun, it never will; if it has, it ends on its own time and nobody looks.
        """
        until = None if deadline_seconds is None else time.monotonic() + deadline_seconds
        futures = [
            self._pool.submit(contextvars.copy_context().run, _caught, call) for call in calls
        ]
        return [self._result(future, until, deadline_seconds) for future in futures]

    def close(self) -> None:
        """Wait for what is running, forget what is queued."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _result(
        self, future: Future[T | Exception], until: float | None, deadline_seconds: float | None
    ) -> T | Exception:
        try:
            left = None if until is None else max(0.0, until - time.monotonic())
            return future.result(left)
        except (TimeoutError, CancelledError):
            future.cancel()
            return DependencyTimeout(
                self._name, f"{self._name} did not end within {deadline_seconds} s"
            )


def _caught(call: Callable[[], T]) -> T | Exception:
    try:
        return call()
    except Exception as error:
        return error
