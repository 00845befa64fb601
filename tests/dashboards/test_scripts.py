"""Our browser modules: types, their own tests under Node.js, and what they must not contain."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flow.tools import requires

ROOT = Path(__file__).parent.parent.parent
STATIC = ROOT / "dashboards/longpole/dashboards/static"
SCRIPTS = sorted((STATIC / "js").rglob("*.js"))
TEMPLATES = sorted((STATIC.parent / "templates").rglob("*.html"))
NODE_TESTS = sorted((Path(__file__).parent / "js").glob("*.test.mjs"))
MODULES = ROOT / "tests/node/node_modules"

# Ways for data to become markup, code or another document.
FORBIDDEN_IN_SCRIPTS = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|new Function|srcdoc)\b"
    r"|\beval\(|javascript:|https?://(?!www\.w3\.org/)"
)
# What the content security policy refuses, and what would let telemetry out of its filters.
FORBIDDEN_IN_TEMPLATES = re.compile(
    r"\sstyle=|\son[a-z]+=|hx-on|<script(?![^>]*\ssrc=)|<style|\|\s*safe\b|javascript:"
    # Text may show an address to copy; nothing may lead or load from one.
    r"|(?:\b(?:href|src|action)=|=\s*[\"']|url\([\"']?)\s*https?://"
)


@pytest.mark.node
def test_modules_pass_the_type_checker() -> None:
    checker = MODULES / ".bin/tsc"
    requires("node", checker)
    run = subprocess.run(
        [checker, "--noEmit", "-p", ROOT / "dashboards/tsconfig.json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


@pytest.mark.node
def test_modules_pass_their_own_tests() -> None:
    requires("node")
    assert NODE_TESTS, "there is no test of a module"
    run = subprocess.run(
        [shutil.which("node") or "node", "--test", *NODE_TESTS],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(STATIC).as_posix())
def test_module_is_checked_and_makes_no_markup_of_data(path: Path) -> None:
    text = path.read_text()

    assert text.startswith("// @ts-check"), "begin with // @ts-check"
    assert not (found := FORBIDDEN_IN_SCRIPTS.search(text)), found
    assert len(text.splitlines()) <= 400, "split it: one concept per file"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_keeps_to_the_policy(path: Path) -> None:
    assert not (found := FORBIDDEN_IN_TEMPLATES.search(path.read_text())), found


@pytest.mark.parametrize(
    "line",
    ["e.innerHTML = x", "eval(x)", "document.write(x)", 'import "https://cdn.example/x.js"'],
)
def test_the_ban_on_markup_from_data_bites(line: str) -> None:
    assert FORBIDDEN_IN_SCRIPTS.search(line)


@pytest.mark.parametrize(
    "line",
    ['<p style="color:red">', '<a onclick="x()">', "<script>x()</script>", "{{ name | safe }}",
     '<a href="https://cdn.example/">', "<img src=http://cdn.example/x>"],
)  # fmt: skip
def test_the_ban_on_what_the_policy_refuses_bites(line: str) -> None:
    assert FORBIDDEN_IN_TEMPLATES.search(line)
