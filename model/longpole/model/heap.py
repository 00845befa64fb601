"""The heap of this process: how many the C library keeps, and giving free pages back."""

from __future__ import annotations

import contextlib
import ctypes

import pyarrow as pa

_M_ARENA_MAX = -8  # of glibc's malloc.h


def trim_heap() -> None:
    """Return the free pages of the C library's heap, those between pages in use, too."""
    # Another C library gives back on its own terms.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def use_one_heap() -> None:
    """Have the C library serve all threads from one heap, of those that start from now on.

    It makes a heap per thread otherwise, and what a big request leaves in those of the
    decoder threads is not given back, some 100 MiB. Python's lock keeps threads from
    contending for the one. Arrow allocates from it, too: its own pool keeps what was freed for
    whichever thread freed it, hundreds of MiB under load.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
