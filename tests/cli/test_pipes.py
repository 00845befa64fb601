"""Reports in pipes: as wide as asked, and no fuss when the reader goes away."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from longpole.cli.output import NARROWEST, PIPED_WIDTH, piped_width
from tests.cli.command import CHECKOUT, ENV, run


@pytest.mark.parametrize("arguments", [["trace", "--spans"], ["export"], ["trace", "--json"]])
def test_a_reader_that_goes_away_is_no_failure(arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)  # nobody will ever read, so the first write finds a broken pipe
    command = [sys.executable, "-m", "longpole.cli", *arguments, "--from", str(CHECKOUT)]
    with os.fdopen(write, "wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, env={**os.environ, **ENV}, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert b"Error" not in done.stderr
    assert b"BrokenPipe" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk always full")
@pytest.mark.parametrize("arguments", [["trace"], ["findings", "--json"], ["critical-path"]])
def test_an_answer_onto_a_full_disk_is_an_error_of_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "longpole.cli", *arguments, "--from", str(CHECKOUT)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env={**os.environ, **ENV}, timeout=60
        )
    assert done.stderr.decode() == "Error: cannot write: No space left on device\n"
    assert done.returncode == 2  # 1 would be the answer of a check


@pytest.mark.parametrize(
    ("columns", "width"),
    [("", PIPED_WIDTH), ("80", 80), ("160", 160), ("1", NARROWEST), ("0", PIPED_WIDTH),
     ("wide", PIPED_WIDTH), ("-5", PIPED_WIDTH), ("9" * 30, PIPED_WIDTH), ("²", PIPED_WIDTH)],
)  # fmt: skip
def test_columns_sets_the_width_of_a_piped_report(columns: str, width: int) -> None:
    assert piped_width(columns) == width


def test_a_piped_report_fills_the_width_of_columns() -> None:
    for columns in ("60", "140"):
        report = run("trace", "--from", CHECKOUT, COLUMNS=columns).stdout
        assert max(map(len, report.splitlines())) == int(columns)
