"""The README of the shop says what is so: its paths, its faults, its settings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shop.__main__ import main
from shop.faults.catalogue import CATALOGUE
from shop.topology import SERVICES

SAMPLE_APPS = Path(__file__).parents[2] / "sample-apps"
README = (SAMPLE_APPS / "README.md").read_text()
SEEN = {"trace": "one trace", "window": "many"}


def between(name: str) -> str:
    """What stands between the marks of that name."""
    (found,) = re.findall(rf"<!-- {name}:.*?-->\n(.*?)<!-- end of {name} -->", README, re.DOTALL)
    return str(found).strip()


def test_every_path_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README)
    assert len(links) > 50
    assert [link for link in links if not (SAMPLE_APPS / link).exists()] == []


def test_a_link_is_called_what_it_leads_to() -> None:
    for words, link in re.findall(
        r"\[([\w./-]+\.(?:py|yaml|toml|sh|txt|proto))\]\(([^)]+)\)", README
    ):
        assert words == Path(link).name


def test_every_fault_has_its_row_as_faults_toml_says_it() -> None:
    rows = [
        f"| `{fault.name}` | {fault.summary} | {fault.say} | `{fault.detector}`, "
        f"{SEEN[fault.visible]} |"
        for fault in CATALOGUE.values()
    ]
    assert between("faults").splitlines()[2:] == rows


def test_every_fault_is_seen_with_a_pattern() -> None:
    patterns = README.split("## The patterns")[1].split("## Twelve factors")[0]
    assert [name for name in CATALOGUE if f"`{name}`" not in patterns] == []
    assert f"in\n{len(CATALOGUE)} ways" in README


def test_the_settings_are_those_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--markdown"]) == 0
    assert between("settings") == capsys.readouterr().out.strip()


def test_every_command_exists() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "shop", "--help"],
        cwd=SAMPLE_APPS, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    named = set(re.findall(r"python -m shop (\w+)", README))
    assert named
    assert {name for name in named if f"    {name} " not in told} == set()


def test_every_service_is_in_the_picture() -> None:
    picture = README.split("```")[1]
    assert [name for name in SERVICES if name.removesuffix("-service") not in picture] == []


def test_all_twelve_factors_are_there() -> None:
    factors = README.split("## Twelve factors")[1].split("##")[0]
    assert re.findall(r"^\| (\d+) ", factors, re.MULTILINE) == [str(n) for n in range(1, 13)]
