"""What an event loop does when no more files may be opened: say so now and then, and wait."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Any

from loguru import logger

_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_SAY_EVERY_SECONDS = 10.0


def wait_quietly_for_file_handles(
    loop: asyncio.AbstractEventLoop, seconds: Callable[[], float] = time.monotonic
) -> None:
    """Let connections that cannot be accepted wait, with one line every ten seconds for all.

    asyncio tries again a second later, but it tries as often as connections may queue (2,048
    times) before it waits, and tells each failure with a traceback: a core is busy with that as
    long as it lasts. Whatever else goes wrong in the loop is told as before.
    """
    said_seconds: float | None = None

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_seconds
        problem = context.get("exception")
        if not isinstance(problem, OSError) or problem.errno not in _OUT_OF_RESOURCES:
            loop.default_exception_handler(context)
            return
        now = seconds()
        if said_seconds is None or now - said_seconds >= _SAY_EVERY_SECONDS:
            said_seconds = now
            logger.warning(
                "New connections wait, because the system gives no room for them: {}. "
                "Allow more open files (ulimit -n), or connect fewer clients.",
                problem.strerror,
            )

    loop.set_exception_handler(handle)
