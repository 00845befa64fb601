"""Compiling: declared loops become machine code before anybody calls them.

Every loop is declared with the types it takes, so that there is exactly one version of each and
nothing is ever compiled in the middle of a question: an argument of another type is an error.
Machine code is cached on disk: in `__pycache__` beside the source, else, where that cannot be
written, in the user's cache directory; `NUMBA_CACHE_DIR` names another place. Without any, the
code is made again at each start. Processes that share a cache do not make the same code at the
same time, see `compile_lock`. Importing this module imports Numba; `readiness` does not.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from numba import config, njit, types
from numba.core.caching import NullCache

from longpole.model.compile_lock import PATIENCE_SECONDS, only_here

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

_Declared = tuple[Any, tuple[Any, ...]]  # a loop and the types it takes
_declared: list[_Declared] = []
_compiling = threading.Lock()


def compiled(*takes: Any, allocates: bool = False) -> Callable[[_F], _F]:
    """Declare a loop with the types of its arguments; `loops` makes it ready. It does not
    hold the GIL. A loop stands in its module above those that it calls.

    A loop that makes arrays says that it `allocates`. Numba counts references to all arrays then,
    in one atomic step for each of them at every call and at what is inlined, too, which took four
    fifths of the time of small loops."""
    options: dict[str, Any] = {"nogil": True, "_nrt": allocates}

    def declare(function: _F) -> _F:
        try:
            loop = njit(function, cache=True, **options)
        except RuntimeError:  # no directory to cache in
            loop = njit(function, **options)
        _declared.append((loop, takes))
        return loop  # type: ignore[no-any-return]

    return declare


def inlined(function: _F) -> _F:
    """Declare a part of loops that is put into each of them: a call would hand over all parts of
    every array, which takes longer than the few lines it calls."""
    return njit(function, nogil=True, inline="always")  # type: ignore[no-any-return]


def load_cached(package: str) -> bool:
    """Load the machine code of what this package declared so far, as far as it is cached; whether
    all of it was. Compiles nothing."""
    with _compiling:
        if getattr(config, "DISABLE_JIT"):  # noqa: B009
            return True
        while missing := _missing(package):
            if not _is_cached(*missing[0]):
                return False
            _take(missing[0])
        return True


def compile_declared(package: str, is_stopping: Callable[[], bool]) -> bool:
    """Load or make the machine code of everything that this package declared so far, see
    `loops.compile_all`.

    What another thread declares meanwhile is compiled, too, once its module is imported whole;
    the loops of a module that is still being imported are left to whoever imports it.
    """
    with _compiling:
        if getattr(config, "DISABLE_JIT"):  # noqa: B009
            return True
        patience = PATIENCE_SECONDS
        while missing := _missing(package):
            if is_stopping():
                return False
            declared = missing[0]
            if _is_cached(*declared):
                _take(declared)
                continue
            folder = getattr(declared[0]._cache, "cache_path", None)
            with only_here(folder, is_stopping, patience) as is_held:
                if is_stopping():
                    return False
                # Another process that had the lock has made it by now: then it is loaded.
                _take(declared)
            if not is_held:
                patience = 0.0
        return True


def _missing(package: str) -> list[_Declared]:
    """The loops of the package that are not ready, those first that others call."""
    return [
        one
        for one in reversed(_declared)
        if one[0].py_func.__module__.startswith(f"{package}.") and not _is_being_imported(one[0])
    ]


def _is_being_imported(loop: Any) -> bool:
    """Whether loops that this one calls may not exist yet."""
    specification = getattr(sys.modules.get(loop.py_func.__module__), "__spec__", None)
    return bool(getattr(specification, "_initializing", False))


def _take(declared: _Declared) -> None:
    """Load or make a loop, for good."""
    loop, takes = declared
    _compile(loop, takes)
    loop.disable_compile()
    _declared.remove(declared)  # it need not be the last any more


def _compile(loop: Any, takes: tuple[Any, ...]) -> None:
    try:
        loop.compile(takes)
    except OSError:  # the cache became unreadable, or its disk is full
        loop._cache = NullCache()
        loop.compile(takes)


def _is_cached(loop: Any, takes: tuple[Any, ...]) -> bool:
    """Whether Numba will find the loop on disk; False also where that can't be known."""
    try:
        file = loop._cache._cache_file
        name = file._load_index().get(loop._cache._index_key(takes, loop.targetctx.codegen()))
        return name is not None and os.path.exists(file._data_path(name))
    except Exception:  # no cache, a damaged one, or a Numba with other insides
        return False
