"""Command line options made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from longpole.cli import settings as table
from longpole.cli.setting_values import truth

F = TypeVar("F", bound=Callable[..., Any])


def server_options(command: F) -> F:
    """Every setting that a server, or a command that writes, reads."""
    return _add(command, ("server", "both"))


def client_options(command: F) -> F:
    """Where to ask: `--url`, `--data-dir`, `--auth-token-file`, `--config`."""
    return _add(command, ("client", "both"))


def directory_options(command: F) -> F:
    """`--data-dir` and what working in one takes: `--memory-limit`, `--config`."""
    return _with(command, [table.BY_NAME["data_dir"], table.BY_NAME["memory_limit"]])


def _add(command: F, groups: tuple[str, ...]) -> F:
    return _with(command, [s for s in table.SETTINGS if s.of in groups])


def _with(command: F, settings: Sequence[table.Setting]) -> F:
    # No defaults here: `settings.resolve` has to see which flags were given.
    config = click.option("--config", metavar="PATH", help="TOML file with settings")
    result = config(command)
    for setting in reversed(settings):
        kind: dict[str, Any] = (
            {"is_flag": True} if setting.parse is truth else {"metavar": setting.metavar}
        )
        result = click.option(setting.flag, setting.name, default=None, help=setting.help, **kind)(
            result
        )
    return result


def resolved(given: dict[str, Any]) -> table.Settings:
    """Settings of this invocation; takes the setting flags out of `given`."""
    flags = {name: given.pop(name) for name in (*table.BY_NAME, "config") if name in given}
    return table.resolve(flags, table.environment())
