"""Readiness: whether the compiled decoder can be used yet; until then the reference decodes."""

from __future__ import annotations

from collections.abc import Callable

from longpole.model.readiness import CompiledCode

_PACKAGE = "longpole.formats.compiled"


def load(is_stopping: Callable[[], bool] = lambda: False) -> bool:
    """Load or make the machine code of the decoder's loops; whether it is all there."""
    # They declare their loops on import.
    from longpole.formats.compiled import tables  # noqa: F401
    from longpole.model.compiling import compile_declared

    return compile_declared(_PACKAGE, is_stopping)


def _load_cached() -> bool:
    from longpole.formats.compiled import tables  # noqa: F401
    from longpole.model.compiling import load_cached

    return load_cached(_PACKAGE)


DECODING = CompiledCode(_PACKAGE, load, "Requests are decoded without compiled code", _load_cached)
