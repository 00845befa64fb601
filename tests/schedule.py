"""Who runs which tests when, if several workers do: those that wait beside those that compute.

A file is the unit that a worker takes, in the order of this module; all files that use the browser
are one unit, because each worker that takes one starts a browser and a server of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

BROWSER = "tests/browser/"
# Their tests mostly wait, for other processes and for time to pass.
WAITING = ("tests/cli/", "tests/collector/", "tests/flow/", "tests/shop/", "tests/storage/journal/")
# Units that take longest: what starts last must be short, so that all workers end together.
LONG = (
    BROWSER, "tests/storage/test_conformance_duckdb.py", "tests/flow/test_demo.py",
    "tests/shop/faults/test_faults.py", "tests/storage/duckdb/", "tests/shop/",
    "tests/storage/", "tests/flow/", "tests/collector/test_hostile.py", "tests/cli/test_serve.py",
    "tests/test_house.py",
)  # fmt: skip
# They wait for the compiled loops, which are made beside the first minute of tests.
LATE = ("tests/analyzer/columnar/", "tests/formats/compiled/", "tests/collector/test_fuzz.py")
_COMPILE = (
    "from longpole.analyzer.columnar.loops import compile_all\n"
    "from longpole.formats.compiled.readiness import load\n"
    "load() and compile_all()"
)


class Schedule(LoadFileScheduling):  # type: ignore[misc]
    """A file to a worker at a time; the browser's files all to the same."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else str(super()._split_scope(nodeid))


def ordered(files: Iterable[str]) -> list[str]:
    """Files in the order in which they start: long ones first, those that wait for the loops
    late, and at any time as large a part of the waiting ones as of the computing ones."""
    waiting: list[str] = []
    computing: list[str] = []
    for file in sorted(dict.fromkeys(files), key=_rank):
        (waiting if file.startswith(WAITING) else computing).append(file)
    places = [
        (place / len(group), file)
        for group in (waiting, computing)
        for place, file in enumerate(group)
    ]
    browser = [file for _, file in sorted(places) if file.startswith(BROWSER)]
    return browser + [file for _, file in sorted(places) if not file.startswith(BROWSER)]


def _rank(file: str) -> tuple[int, str]:
    if file.startswith(LATE):
        return len(LONG) + 1, file
    place = next((n for n, start in enumerate(LONG) if file.startswith(start)), len(LONG))
    return place, file


def order(items: list[pytest.Item]) -> None:
    """Put collected tests into that order, those of a file as they are."""
    by_file: dict[str, list[pytest.Item]] = {}
    for item in items:
        by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
    items[:] = [item for file in ordered(by_file) for item in by_file[file]]


def start_compiling() -> subprocess.Popen[bytes]:
    """Make the compiled loops once, for all workers and servers, which share a cache on disk.
    What needs them earlier waits, see `longpole.model.compiling`."""
    command: Sequence[str] = (sys.executable, "-c", _COMPILE)
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
