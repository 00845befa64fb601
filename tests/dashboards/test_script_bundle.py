"""Scripts put together for a page do what they do one by one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from longpole.dashboards.assets import assets
from longpole.dashboards.page_files import PAGE_FILES, script_path
from longpole.dashboards.script_bundle import bundled

SCRIPTS = {
    "js/main.js": 'import { add, seen as what } from "./sum/add.js";\n'
    'import * as all from "./sum/add.js";\nimport "./side.js";\n'
    "console.log(add(2, 3), what.length, all.LIMIT, import.meta.url.split('/').pop());\n"
    "await null;\nconsole.log('late');\n",
    "js/other.js": 'import { seen } from "./sum/add.js";\nconsole.log(seen.join());\n',
    "js/side.js": '// @ts-check\nimport { seen } from "./sum/add.js";\nseen.push("side");\n',
    "js/sum/add.js": "/** The sum. @param {number} a */\nexport function add(a, b) {\n"
    "  return a + b;\n}\nexport const LIMIT = 7;\nexport const seen = [];\n",
}


def run(tmp_path: Path, text: str) -> list[str]:
    script = tmp_path / "page.mjs"
    script.write_text(text)
    node = shutil.which("node") or "node"
    return subprocess.run(
        [node, str(script)], check=True, capture_output=True, text=True
    ).stdout.splitlines()


def test_entries_share_what_they_import_and_do_not_wait_for_each_other(tmp_path: Path) -> None:
    told = run(tmp_path, bundled(SCRIPTS, ["js/main.js", "js/other.js"], "js/page.js"))
    assert told == ["5 1 7 main.js", "side", "late"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("export default 3;\n", "cannot be bundled: export default"),
        ('import x from "./side.js";\n', "cannot be bundled: import x"),
        ('import "./main.js";\n', "in a circle"),
    ],
)
def test_what_cannot_be_read_is_refused_when_the_server_starts(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        bundled({**SCRIPTS, "js/side.js": text}, ["js/main.js"], "js/page.js")


@pytest.mark.parametrize("name", sorted(PAGE_FILES))
def test_the_script_of_a_page_is_valid(tmp_path: Path, name: str) -> None:
    (tmp_path / "page.mjs").write_bytes(assets().files[script_path(name)].content)
    node = shutil.which("node") or "node"
    subprocess.run([node, "--check", str(tmp_path / "page.mjs")], check=True)
