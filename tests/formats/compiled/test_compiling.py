"""Compiling: several threads may declare and compile loops at once, and each loop is made once."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from longpole.model import compiling

HERE = __name__.rpartition(".")[0]


def _first(value: int) -> int:
    return value + 1


def _second(value: int) -> int:
    return value + 2


@pytest.fixture
def compiled_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The loops compiled so far, of those that the test declares."""
    names: list[str] = []
    compile_one = compiling._compile

    def noted(loop: Any, takes: tuple[Any, ...]) -> None:
        names.append(loop.__name__)
        compile_one(loop, takes)

    monkeypatch.setattr(compiling, "_declared", [])
    monkeypatch.setattr(compiling, "_compile", noted)
    return names


def test_a_loop_declared_while_another_is_compiled_is_compiled_too(
    monkeypatch: pytest.MonkeyPatch, compiled_names: list[str]
) -> None:
    noted = compiling._compile

    def declares_meanwhile(loop: Any, takes: tuple[Any, ...]) -> None:
        if not compiled_names:
            compiling.compiled(compiling.INT)(_second)  # as an import on another thread does
        noted(loop, takes)

    monkeypatch.setattr(compiling, "_compile", declares_meanwhile)
    compiling.compiled(compiling.INT)(_first)
    assert compiling.compile_declared(HERE, lambda: False)
    assert compiled_names == ["_first", "_second"]


def test_loops_of_a_module_that_is_being_imported_are_left_to_its_importer(
    monkeypatch: pytest.MonkeyPatch, compiled_names: list[str]
) -> None:
    compiling.compiled(compiling.INT)(_first)
    specification = sys.modules[__name__].__spec__
    monkeypatch.setattr(specification, "_initializing", True, raising=False)
    assert compiling.compile_declared(HERE, lambda: False)
    assert compiled_names == []
    monkeypatch.setattr(specification, "_initializing", False)
    assert compiling.compile_declared(HERE, lambda: False)
    assert compiled_names == ["_first"]
