"""Every --json output is documented and fits its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from longpole.cli.main import COMMANDS, cli
from tests.cli.command import CHECKOUT, documents

DOCS = Path(__file__).parent.parent.parent / "docs"


def schema(name: str) -> Any:
    return json.loads((DOCS / "schemas" / f"{name}.json").read_text())


def commands_with_json() -> list[str]:
    names = []
    for name in COMMANDS:
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        if any("--json" in parameter.opts for parameter in command.params):
            names.append(name)
    return names


@pytest.mark.parametrize("name", commands_with_json())
def test_every_json_output_is_documented_with_every_field(name: str) -> None:
    page = (DOCS / "json.md").read_text()
    section = page.split(f"\n## longpole {name}\n", 1)[1].split("\n## ", 1)[0]
    for field in schema(name)["properties"]:
        assert f"`{field}`" in section or f"`{field}." in section, field


def test_every_command_that_answers_has_json() -> None:
    assert set(COMMANDS) - set(commands_with_json()) == {"serve", "export", "rules"}
    rules = cli.get_command(None, "rules")  # type: ignore[arg-type]
    assert isinstance(rules, click.Group)
    for name, command in rules.commands.items():
        # It prints a file.
        if name == "starter":
            continue
        assert any("--json" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("trace", ["trace"]),
        ("trace", ["trace", "--spans"]),
        ("traces", ["traces"]),
        ("traces", ["traces", "--service", "nobody"]),
        ("critical-path", ["critical-path"]),
        ("critical-path", ["critical-path", "--group-by", "root_service,peer_service"]),
        ("critical-path", ["critical-path", "--service", "nobody"]),
        ("findings", ["findings"]),
        ("what-if", ["what-if"]),
        ("what-if", ["what-if", "--change", "cart-svc/*: cap 1ms"]),
        ("what-if", ["what-if", "--service", "nobody"]),
        ("services", ["services"]),
        ("gaps", ["gaps"]),
        ("map", ["map"]),
        ("map", ["map", "--focus", "cart-svc"]),
        ("logs", ["logs"]),
        ("log-patterns", ["logs", "--patterns"]),
        ("service", ["services", "cart-svc"]),
        ("service", ["services", "auth-svc"]),
    ],
)
def test_answers_from_files_fit_their_schema(name: str, arguments: list[str]) -> None:
    for document in documents(*arguments, "--from", CHECKOUT):
        jsonschema.validate(document, schema(name))


def test_segments_partition_the_root_and_keep_every_digit() -> None:
    (report,) = documents("trace", "--from", CHECKOUT)
    segments = report["segments"]
    assert segments[0]["start_unix_nano"] == 1767323045123456789
    assert segments[-1]["end_unix_nano"] == 1767323045123456789 + report["duration_ns"]
    for before, after in zip(segments, segments[1:], strict=False):
        assert before["end_unix_nano"] == after["start_unix_nano"]
