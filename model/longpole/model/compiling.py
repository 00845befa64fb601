"""Compiling: declared loops become machine code before anybody calls them.

Every loop is declared with the types it takes, so that there is exactly one version of each and
nothing is ever compiled in the middle of a question: an argument of another type is an error.
Machine code is cached on disk: in `__pycache__` beside the source, else, where that cannot be
written, in the user's cache directory; `NUMBA_CACHE_DIR` names another place. Without any, the
code is made again at each start. Importing this module imports Numba; `readiness` does not.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from numba import config, njit, types
from numba.core.caching import NullCache

_F = TypeVar("_F", bound=Callable[..., Any])

# Arrays that are only read: Arrow's memory is not writable, and what is writable fits as well.
INTS = types.Array(types.int64, 1, "C", readonly=True)
IDS = types.Array(types.uint64, 1, "C", readonly=True)
CODES = types.Array(types.int32, 1, "C", readonly=True)
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
PAIRS = types.Array(types.int64, 2, "C", readonly=True)
# Arrays that are filled.
OUT = types.Array(types.int64, 1, "C")
OUT_IDS = types.Array(types.uint64, 1, "C")
OUT_CODES = types.Array(types.int32, 1, "C")
OUT_BYTES = types.Array(types.uint8, 1, "C")
OUT_ROWS = types.Array(types.int64, 2, "C")
INT = types.int64
FLAG = types.boolean

_declared: list[tuple[Any, tuple[Any, ...]]] = []
_compiling = threading.Lock()


def compiled(*takes: Any) -> Callable[[_F], _F]:
    """Declare a loop with the types of its arguments; `loops` makes it ready. It does not
    hold the GIL. A loop stands in its module above those that it calls."""

    def declare(function: _F) -> _F:
        try:
            loop = njit(function, nogil=True, cache=True)
        except RuntimeError:  # no directory to cache in
            loop = njit(function, nogil=True)
        _declared.append((loop, takes))
        return loop  # type: ignore[no-any-return]

    return declare


def inlined(function: _F) -> _F:
    """Declare a part of loops that is put into each of them: a call would hand over all parts of
    every array and count references to it, which takes longer than the few lines it calls."""
    return njit(function, nogil=True, inline="always")  # type: ignore[no-any-return]


def compile_declared(is_stopping: Callable[[], bool]) -> bool:
    """Load or make the machine code of everything declared so far, see `loops.compile_all`.

    What another thread declares meanwhile is compiled, too, once its module is imported whole;
    the loops of a module that is still being imported are left to whoever imports it.
    """
    with _compiling:
        if getattr(config, "DISABLE_JIT"):  # noqa: B009
            return True
        # Those that are called first, so that callers find them.
        while whole := [one for one in reversed(_declared) if not _is_being_imported(one[0])]:
            if is_stopping():
                return False
            loop, takes = whole[0]
            _compile(loop, takes)
            loop.disable_compile()
            _declared.remove(whole[0])  # it need not be the last any more
        return True


def _is_being_imported(loop: Any) -> bool:
    """Whether loops that this one calls may not exist yet."""
    specification = getattr(sys.modules.get(loop.py_func.__module__), "__spec__", None)
    return bool(getattr(specification, "_initializing", False))


def _compile(loop: Any, takes: tuple[Any, ...]) -> None:
    try:
        loop.compile(takes)
    except OSError:  # the cache became unreadable, or its disk is full
        loop._cache = NullCache()
        loop.compile(takes)
