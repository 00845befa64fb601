"""Who evaluates groups: whoever asks, one after the other, or a few threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class InTurn(Executor):
    """Does everything at once in the thread that asks; an error is the caller's. For tests, and
    for whoever has no time to save."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """The result, which is there already."""
        done: Future[_T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Workers(ThreadPoolExecutor):
    """At most `count` threads, made when they are needed. Nobody looks at results here, so `failed`
    is told of errors; it must not raise."""

    def __init__(self, count: int, failed: Callable[[Exception], None]) -> None:
        super().__init__(count, thread_name_prefix="rules")
        self._failed = failed

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """As `Executor` promises."""

        def told(*given: Any, **named: Any) -> _T:
            try:
                return fn(*given, **named)
            except Exception as error:
                self._failed(error)
                raise

        return super().submit(told, *args, **kwargs)
