"""Runs a command in this process, as `longpole …` would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from longpole.cli.main import cli
from longpole.model.problem import LongpoleError

DATA = Path(__file__).parent / "data"
CHECKOUT = DATA / "checkout.jsonl"
CHECKOUT_ID = "5b8efff798038103d269b633813fc60c"
# No setting of the person who runs the tests gets in, and no data directory of theirs.
ENV = {"LONGPOLE_URL": "", "LONGPOLE_CONFIG": "", "LONGPOLE_DATA_DIR": "/nonexistent/longpole"}


def run(*arguments: str | Path, given: str | bytes | None = None, **env: str) -> Result:
    """The result; an exception of ours counts as what `main` makes of it, exit code 2."""
    result = CliRunner().invoke(
        cli, [str(a) for a in arguments], input=given, env={**ENV, **env}, prog_name="longpole"
    )
    if isinstance(result.exception, LongpoleError):
        result.exit_code = 2
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def documents(*arguments: str | Path, **env: str) -> list[Any]:
    """The JSON lines of a command that succeeded."""
    result = run(*arguments, "--json", **env)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]
