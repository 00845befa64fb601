"""The lock of a cache of compiled code: of the processes that miss a loop, one makes it.

A lock on a file beside the code, which the system gives back when its holder ends, however it
ends. It saves work and is needed for nothing else: whoever can't have it, or has waited long
enough for one that got no time, compiles for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NAME = "compiling.lock"
# Longer than the longest loop takes on a slow machine; who holds the lock may be starved.
PATIENCE_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.05


@contextmanager
def only_here(
    folder: str | None,
    is_stopping: Callable[[], bool] = lambda: False,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[bool]:
    """Hold the lock of this folder; false if it is not to be had, and then go on without."""
    file = _opened(folder)
    if file is None:
        yield False
        return
    with file:
        yield _is_locked(file, is_stopping, time.monotonic() + patience_seconds)


def _opened(folder: str | None) -> IO[bytes] | None:
    if folder is None:
        return None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return open(Path(folder) / NAME, "ab")
    except OSError:  # a cache that can only be read
        return None


def _is_locked(file: IO[bytes], is_stopping: Callable[[], bool], deadline: float) -> bool:
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if is_stopping() or time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_AGAIN_SECONDS)
        except OSError:  # a file system without locks
            return False
        else:
            return True
