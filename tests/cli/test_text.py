"""Telemetry cannot drive a terminal, in reports, JSON or logs (V22)."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from longpole.cli.log_output import log_to_stderr
from longpole.cli.render.text import inert, shortened
from longpole.dashboards.figures import duration, moment, share, size
from tests.cli.command import CHECKOUT, run

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202eevil\u2066\r\n\x00"


@given(st.text())
def test_inert_text_has_no_control_characters(text: str) -> None:
    for character in inert(text):
        assert unicodedata.category(character) not in ("Cc", "Cs")
        assert unicodedata.bidirectional(character) not in ("RLO", "LRO", "RLE", "LRE", "RLI")
    assert inert(inert(text)) == inert(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


def hostile_file(tmp_path: Path) -> Path:
    file = tmp_path / "hostile.jsonl"
    quoted = json.dumps(HOSTILE)[1:-1]
    content = CHECKOUT.read_text()
    for word in ("cart-svc", "SELECT cart_items", "card declined", "POST /checkout"):
        content = content.replace(word, f"{word}{quoted}")
    file.write_text(content)
    return file


@pytest.mark.parametrize("command", ["trace", "traces", "critical-path", "services"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_reports_let_no_escape_through(tmp_path: Path, command: str, form: list[str]) -> None:
    result = run(command, "--from", hostile_file(tmp_path), *form)
    assert result.exit_code == 0, result.output
    for character in result.stdout.replace("\n", ""):
        assert unicodedata.category(character) != "Cc", repr(character)
        assert character not in "\u202e\u2066"


def test_refusals_let_no_escape_through() -> None:
    result = run("traces", "{ \x1b]0;x\x07 }", "--from", CHECKOUT)
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("is_terminal", [True, False])
def test_log_lines_stay_one_line_each(
    capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    log_to_stderr("info", is_terminal)
    try:
        logger.info("seen {}", HOSTILE)
        logger.debug("not shown")
    finally:
        logger.remove()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    if not is_terminal:
        assert json.loads(lines[0])["message"] == f"seen {HOSTILE}"


def test_figures_read_well() -> None:
    assert [duration(n) for n in (0, 17, 410_000, 29_600_000, 1_910_000_000, 92 * 10**9)] == [
        "0 ns", "17 ns", "410 µs", "29.6 ms", "1.91 s", "92 s",
    ]  # fmt: skip
    assert duration(700 * 10**9) == "11.7 min"
    assert duration(11 * 3600 * 10**9) == "11 h"
    assert [share(s) for s in (0, 0.0001, 0.05, 0.742, 1)] == [
        "0 %", "<0.1 %", "5.0 %", "74 %", "100 %",
    ]  # fmt: skip
    assert size(20 * 2**30) == "20.0 GiB"
    assert moment(1767323045123456789) == "2026-01-02 03:04:05.123"
    assert moment(-(2**63)).startswith("1677-")
    assert shortened("abcdef", 4) == "abc…"


@pytest.mark.parametrize("command", ["trace", "traces", "critical-path", "services"])
def test_a_name_of_thousands_of_characters_leaves_room_for_the_rest(
    tmp_path: Path, command: str
) -> None:
    file = tmp_path / "long.jsonl"
    content = CHECKOUT.read_text()
    for word in ("cart-svc", "SELECT cart_items", "POST /checkout", "auth-svc"):
        content = content.replace(word, word + "x" * 5000)
    file.write_text(content)
    shown = run(command, "--from", file).stdout
    assert "xxx" in shown
    assert "x" * 1000 not in shown.replace("\n", "").replace(" ", "")
    assert len(shown) < 15_000
