"""Reports for people, as text. Renew the golden files with LONGPOLE_RENEW_GOLDEN=1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command import CHECKOUT, run

GOLDEN = Path(__file__).parent.parent / "golden"
REPORTS = {
    "trace": ["trace"],
    "trace-spans": ["trace", "--spans"],
    "traces": ["traces"],
    "critical-path": ["critical-path"],
    "critical-path-service": ["critical-path", "--group-by", "service"],
    "findings": ["findings"],
    "gaps": ["gaps"],
    "map": ["map"],
    "services": ["services"],
    "service": ["services", "cart-svc"],
    "service-usual": ["services", "auth-svc"],
    "what-if": ["what-if"],
    "what-if-change": [
        "what-if",
        "--change",
        "cart-svc/SELECT *: once",
        "--change",
        "cart-svc/POST /price: -20%",
    ],  # fmt: skip
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_report_reads_as_agreed(name: str) -> None:
    result = run(*REPORTS[name], "--from", CHECKOUT)
    assert result.exit_code == 0, result.output
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()


def test_the_verdict_comes_first() -> None:
    lines = run("trace", "--from", CHECKOUT).stdout.splitlines()
    first = [line.split()[0] for line in lines[3:] if line[:1].isalpha()][:3]
    assert first == ["WHERE", "WHY", "DO"]


@pytest.mark.parametrize("name", REPORTS)
def test_no_line_is_wider_than_the_page_or_ends_in_blanks(name: str) -> None:
    for line in run(*REPORTS[name], "--from", CHECKOUT).stdout.splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()


def test_repeated_siblings_are_counted_not_listed() -> None:
    shown = run("trace", "--from", CHECKOUT).stdout
    assert shown.count("●       cart-svc SELECT") == 2
    assert "… 68 more" in shown
    assert run("trace", "--spans", "--from", CHECKOUT).stdout.count("cart-svc SELECT") == 70
