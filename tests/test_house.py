"""The house rules that a machine can check; each failure says what to do."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = sorted(folder.parent.name for folder in ROOT.glob("*/longpole"))
MODULES = sorted(path for room in ROOMS for path in (ROOT / room / "longpole").rglob("*.py"))
TOOL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
BUILD = TOOL["hatch"]["build"]
LISTS = {
    "tool.hatch.build dev-mode-dirs": BUILD["dev-mode-dirs"],
    "wheel sources": BUILD["targets"]["wheel"]["sources"],
    "wheel only-include": [p.split("/")[0] for p in BUILD["targets"]["wheel"]["only-include"]],
    "tool.mypy mypy_path": [p.split("/")[-1] for p in TOOL["mypy"]["mypy_path"].split(":")],
    "tool.ruff src": TOOL["ruff"]["src"],
}
FORBIDDEN_NAMES = {"utils", "util", "common", "core", "helpers", "helper", "manager", "misc"}


def test_longpole_stays_a_namespace() -> None:
    strays = [str(path.relative_to(ROOT)) for path in ROOT.glob("*/longpole/*.py")]
    assert not strays, f"nothing lives directly in longpole/, it hides the other rooms: {strays}"


@pytest.mark.parametrize("name", LISTS)
def test_every_room_is_listed(name: str) -> None:
    assert sorted(LISTS[name]) == ROOMS, f"pyproject.toml: {name} and the folders disagree"


# One test for all modules: a test for each took longer to collect than to read them.
def test_modules_say_what_they_own() -> None:
    assert MODULES
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, "begin with a one-sentence docstring"


def test_modules_are_one_sitting() -> None:
    long = [
        str(path.relative_to(ROOT)) for path in MODULES if len(path.read_text().splitlines()) > 400
    ]
    assert not long, "split it: one concept per file"


def test_modules_are_named_after_a_concept() -> None:
    vague = [str(path.relative_to(ROOT)) for path in MODULES if path.stem in FORBIDDEN_NAMES]
    assert not vague, "name the file after the one concept it holds"


def test_sample_apps_speak_only_otlp() -> None:
    guilty = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "sample-apps").rglob("*.py")
        if "longpole" in {name.split(".")[0] for name in imported(path)}
    ]
    assert not guilty, f"sample apps know OpenTelemetry, not us: {guilty}"


def test_imports_keep_to_the_contracts() -> None:
    run = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_lock_file_names_no_registry() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def imported(path: Path) -> list[str]:
    """The module names that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names
