"""Readiness: whether the columnar core can be used yet; until then the plain code answers."""

from __future__ import annotations

from collections.abc import Callable

from longpole.model.readiness import CompiledCode, Readiness

__all__ = ["CORE", "CompiledCore", "Readiness"]


class CompiledCore(CompiledCode):
    """The columnar core of this process."""

    def __init__(self) -> None:
        super().__init__(
            "longpole.analyzer.columnar",
            _load,
            "Paths are computed without compiled code",
            _load_cached,
        )


def _load(is_stopping: Callable[[], bool]) -> bool:
    from longpole.analyzer.columnar.loops import compile_all
    from longpole.analyzer.columnar.paths import batch_paths  # noqa: F401

    return compile_all(is_stopping)


def _load_cached() -> bool:
    from longpole.analyzer.columnar.loops import PACKAGE
    from longpole.model.compiling import load_cached

    return load_cached(PACKAGE)


CORE = CompiledCore()
