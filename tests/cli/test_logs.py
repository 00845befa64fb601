"""`longpole logs`: records and patterns, as text and as JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest

from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.log import LogRecord
from longpole.model.span import Resource
from tests.analyzer.root_cause.made_windows import HEALTHY, MS, START, window
from tests.cli.command import CHECKOUT, documents, run
from tests.cli.test_json_outputs import schema

GOLDEN = Path(__file__).parent.parent / "golden"
MIDDLE = START + 4_000 * MS
REPORTS: dict[str, list[str]] = {
    "logs": ["--limit", "8"],
    "logs-patterns": [
        "--patterns",
        "--from-time",
        str(MIDDLE),
        "--to-time",
        str(MIDDLE * 2 - START),
    ],
}


def record(
    ms: int, body: str, service: str = "orders", level: int = 9, trace: int = 0
) -> LogRecord:
    return LogRecord(
        START + ms * MS, 0, trace, 7 if trace else 0, level, "", body, service_name=service,
        resource=Resource({"service.name": service}),
    )  # fmt: skip


def records() -> list[LogRecord]:
    """Eight seconds: one line for each order, and from the middle on an error for each card."""
    made = [record(n * 100, f"order {n} placed for user-{n * 7}") for n in range(80)]
    made += [record(n * 200, f"cache hit {n}", "gateway", 5) for n in range(20)]
    made += [
        record(4_000 + n * 100, f"card {n} refused: timeout", "payments", 17, trace=n + 1)
        for n in range(40)
    ]
    return made


@pytest.fixture
def files(tmp_path: Path) -> Sequence[str | Path]:
    logs, spans = tmp_path / "logs.pb", tmp_path / "spans.pb"
    logs.write_bytes(telemetry_of_logs(records()).body)
    spans.write_bytes(telemetry_of_spans(window(HEALTHY, 80, START, 1)).body)
    return ["--from", logs, "--from", spans]


@pytest.mark.parametrize("name", REPORTS)
def test_the_report_reads_as_agreed(name: str, files: Sequence[str | Path]) -> None:
    result = run("logs", *REPORTS[name], *files)
    assert result.exit_code == 0, result.output
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()
    for line in result.stdout.splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()


def test_the_newest_come_last_unless_reversed(files: Sequence[str | Path]) -> None:
    shown = documents("logs", "--limit", "3", *files)
    assert [one["body"] for one in shown][-1] in ("card 39 refused: timeout",
                                                  "order 79 placed for user-553")  # fmt: skip
    assert documents("logs", "--limit", "3", "-r", *files) == shown[::-1]
    for one in shown:
        jsonschema.validate(one, schema("logs"))


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (["--service", "payments"], 40),
        (["--service", "payments", "--service", "gateway"], 60),
        (["--level", "error"], 40),
        (["--level", "info"], 120),
        (["CACHE HIT"], 20),
        (["--trace", f"{5:032x}"], 1),
        (["--span", f"{7:016x}"], 40),
        (["--to-time", str(START + 100 * MS)], 2),
        (["--service", "nobody"], 0),
    ],
)
def test_filters_choose_the_records(
    asked: list[str], count: int, files: Sequence[str | Path]
) -> None:
    assert len(documents("logs", "--limit", "1000", *asked, *files)) == count


def test_patterns_tell_what_changed(files: Sequence[str | Path]) -> None:
    found = documents("logs", *REPORTS["logs-patterns"], *files)
    for one in found:
        jsonschema.validate(one, schema("log-patterns"))
    states = {one["template"]: (one["state"], one["count"], one["baseline_count"]) for one in found}
    assert states == {
        "card <*> refused: timeout": ("new", 40, 0),
        "cache hit <*>": ("gone", 0, 20),
        "order <*> placed for <*>": ("same", 40, 40),
    }
    assert found[0]["state"] == "new"


def test_without_a_window_patterns_have_no_state(files: Sequence[str | Path]) -> None:
    found = documents("logs", "--patterns", *files)
    assert {one["state"] for one in found} == {None}
    assert found[0]["count"] == 80


def test_nothing_and_nonsense_are_told_apart() -> None:
    assert run("logs", "--level", "fatal", "--from", CHECKOUT).stdout == "No log record matches.\n"
    assert run("logs", "--trace", "xyz", "--from", CHECKOUT).exit_code == 2
    assert run("logs", "--baseline", "1h", "--from", CHECKOUT).exit_code == 2
    refused = run("logs", "--patterns", "--baseline", "1h", "--from", CHECKOUT)
    assert refused.exit_code == 2
    assert "before which window?" in refused.output


def test_patterns_of_nothing_are_no_patterns(files: Sequence[str | Path]) -> None:
    never = run("logs", "--patterns", "--from-time", "2101-01-01T00:00:00Z", *files)
    assert never.stdout == "No log record matches.\n"
    gone = run("logs", "--patterns", "cache", "--from-time", str(MIDDLE), *files).stdout
    assert gone.startswith("No log record matches, in the time before some did.\nwindow ")
    assert "GONE DEBUG cache hit <*>" in gone


def test_a_window_without_an_end_is_compared_with_as_much_as_there_is_of_it(
    files: Sequence[str | Path],
) -> None:
    last = START + 7_900 * MS + 1
    begin = last - 1_000 * MS
    asked = ["logs", "--patterns", "--from-time", str(begin)]
    shown = run(*asked, *files).stdout.splitlines()
    assert shown[1].startswith("window    2026-01-02 03:04:11 to 2026-01-02 03:04:12 UTC  20 rec")
    assert shown[2].startswith("baseline  2026-01-02 03:04:10 to 2026-01-02 03:04:11 UTC  20 rec")
    # A filter does not end the window with the last record that it leaves.
    rare = run(*asked, "order 71 ", *files).stdout.splitlines()
    assert rare[1].startswith("window    2026-01-02 03:04:11 to 2026-01-02 03:04:12 UTC  1 rec")
    (one,) = documents(*asked, "--baseline", "3s", "card", *files)
    assert (one["count"], one["baseline_count"], one["state"]) == (10, 30, "same")


def test_telemetry_in_logs_is_inert(tmp_path: Path) -> None:
    evil = [
        record(n, "\x1b[31mred\x1b]0;x\x07 [bold]t[/bold]\r\nline", "\x1b[2J") for n in range(3)
    ]
    file = tmp_path / "evil.pb"
    file.write_bytes(telemetry_of_logs(evil).body)
    for options in ([], ["--patterns"]):
        text = run("logs", *options, "--from", file).stdout
        assert "\x1b" not in text
        assert "[bold]t[/bold]" in text
