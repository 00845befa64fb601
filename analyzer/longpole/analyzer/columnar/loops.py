"""Loops: all compiled loops of the columnar core, made ready together."""

from __future__ import annotations

from collections.abc import Callable

# They declare their loops on import.
from longpole.analyzer.columnar import (  # noqa: F401
    compiled_retiming,
    forest,
    grouping,
    labelling,
    ordering,
    walking,
)
from longpole.model.compiling import compile_declared

PACKAGE = "longpole.analyzer.columnar"


def compile_all(is_stopping: Callable[[], bool] = lambda: False) -> bool:
    """Load or make the machine code of every loop; whether it is all there. Several threads may
    ask; a stop takes effect between two loops."""
    return compile_declared(PACKAGE, is_stopping)
