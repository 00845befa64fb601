"""The group itself: help that is light, and commands that say what they do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from longpole.cli.exit_codes import Exit
from longpole.cli.main import COMMANDS
from tests.cli.command import run

HEAVY = ("duckdb", "fastapi", "pyarrow", "numpy", "rich", "httpx", "grpc", "jinja2")


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after some code."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return {name.split(".")[0] for name in shown.split()}


def test_the_group_imports_nothing_heavy() -> None:
    assert not modules_after("import longpole.cli.main").intersection(HEAVY)


def test_a_server_becomes_ready_without_duckdb_and_pages() -> None:
    loaded = modules_after("import longpole.cli.server, longpole.storage.duckdb.store")
    assert not loaded.intersection(("duckdb", "fastapi", "rich", "jinja2", "httpx"))


def test_help_lists_commands_and_exit_codes() -> None:
    shown = run("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in shown
    for code in Exit:
        assert f"\n  {int(code)}  {code.meaning}" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    # A group's own commands have the options.
    result = run(name, *(["eval"] if name == "rules" else []), "--help")
    assert result.exit_code == 0
    assert "--data-dir" in result.stdout


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("longpole ")
