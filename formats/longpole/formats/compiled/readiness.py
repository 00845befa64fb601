"""Readiness: whether the compiled decoder can be used yet; until then the reference decodes."""

from __future__ import annotations

from collections.abc import Callable

from longpole.model.readiness import CompiledCode


def load(is_stopping: Callable[[], bool] = lambda: False) -> bool:
    """Load or make the machine code of the decoder's loops; whether it is all there."""
    # They declare their loops on import.
    from longpole.formats.compiled import tables  # noqa: F401
    from longpole.model.compiling import compile_declared

    return compile_declared(is_stopping)


DECODING = CompiledCode(
    "longpole.formats.compiled", load, "Requests are decoded without compiled code"
)
