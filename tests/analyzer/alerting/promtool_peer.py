"""The real promtool, asked about rule files and rule tests."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

PROGRAM = Path(__file__).parents[3] / ".tools/prometheus/usr/bin/promtool"
RULES = Path(__file__).with_name("rules")

# What failed: name of the test, alert or expression or rule, and when.
Failed = set[tuple[str, str, str]]
_FAILED = re.compile(
    r"^    (?:name: (?P<name>.*?),\s+)?(?:alertname: (?P<alert>.*?)|expr: (?P<expr>\".*\")"
    r"|rule: (?P<rule>.*?)), time: (?P<time>[^,]+),",
    re.MULTILINE,
)
_ALERT = re.compile(r"Labels:(\{.*\})\s+Annotations:(\{.*\})")
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


def run_tests(file: Path) -> str:
    """What `promtool test rules` prints."""
    done = subprocess.run(
        [PROGRAM, "test", "rules", file.name], cwd=file.parent, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def failed(printed: str) -> Failed:
    """What failed of it."""
    found: Failed = set()
    for match in _FAILED.finditer(printed):
        subject = match["alert"] or match["rule"] or json.loads(match["expr"])
        time = re.sub(r"(?<=[hm])0s$", "", match["time"])
        time = re.sub(r"(?<=h)0m$", "", time)
        found.add((match["name"] or "", subject, time))
    return found


def rendered(printed: str) -> dict[frozenset[tuple[str, str]], dict[str, str]]:
    """Labels and annotations of the alerts that were got."""
    got = printed[printed.index("got:") :]
    return {
        frozenset(_pairs(labels).items()): _pairs(annotations)
        for labels, annotations in _ALERT.findall(got)
    }


def _pairs(text: str) -> dict[str, str]:
    # Go quotes what is not printable its own way; both sides are read as JSON where they can be.
    return {name: _unquoted(value) for name, value in _PAIR.findall(text)}


def _unquoted(text: str) -> str:
    try:
        value: str = json.loads(text)
    except ValueError:
        return text
    return value


def refused(files: list[Path]) -> set[Path]:
    """The files that `promtool check rules` refuses."""
    done = subprocess.run(
        [PROGRAM, "check", "rules", *files], capture_output=True, text=True, check=False
    )
    return {file for file in files if f"\n{file}: " in done.stderr}
