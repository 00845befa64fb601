"""`longpole findings`: what it prints, when it is silent, and how it ends."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from longpole.cli.render.findings import findings_text
from longpole.formats.rows import telemetry_of_spans
from tests.analyzer.findings.calls_made import call, query, request
from tests.cli.command import CHECKOUT, documents, run


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """A file with one request in which nothing is wrong."""
    spans = request(40, call(2, 1, 20, "http://users/users/7"), query(3, 22, 10))
    file = tmp_path / "quiet.pb"
    file.write_bytes(telemetry_of_spans(spans).body)
    return file


def test_one_line_of_json_for_each_fault_worst_first() -> None:
    found = documents("findings", "--from", CHECKOUT)
    assert [f["detector"] for f in found] == ["n_plus_one_db", "absorbed_error"]
    assert [f["severity"] for f in found] == ["critical", "info"]
    # 70 queries of 19 ms; one does for all.
    assert found[0]["saving_ns"] == 69 * 19_000_000
    assert found[0]["trace_count"] == 1
    assert found[0]["trace_ids"] == ["5b8efff798038103d269b633813fc60c"]


def test_thresholds_are_settings() -> None:
    few = {"LONGPOLE_THRESHOLD_N_PLUS_ONE_CALLS": "71"}
    found = documents("findings", "--from", CHECKOUT, **few)
    assert "n_plus_one_db" not in [f["detector"] for f in found]
    (report,) = documents("trace", "--from", CHECKOUT, **few)
    assert "n_plus_one_db" not in [f["detector"] for f in report["findings"]]


def test_nothing_unusual_is_said_in_so_many_words(quiet: Path) -> None:
    assert run("findings", "--from", quiet).stdout == (
        "Nothing unusual in 1 trace.\n1 matched, 1 used\n"
    )
    assert documents("findings", "--from", quiet) == []


def test_filters_choose_the_traces() -> None:
    result = run("findings", "--service", "nobody", "--from", CHECKOUT)
    assert result.stdout.startswith("No trace matches.")
    assert documents("findings", "{ duration > 1h }", "--from", CHECKOUT) == []


@pytest.mark.parametrize(
    ("level", "code"), [("critical", 1), ("warning", 1), ("info", 1), (None, 0)]
)
def test_faults_are_bad_news_only_for_whoever_asks(level: str | None, code: int) -> None:
    options = ["--fail-on", level] if level else []
    result = run("findings", *options, "--from", CHECKOUT)
    assert result.exit_code == code
    assert "n_plus_one_db" in result.stdout


def test_nothing_wrong_is_no_bad_news(quiet: Path) -> None:
    assert run("findings", "--fail-on", "info", "--from", quiet).exit_code == 0


def test_the_report_of_a_trace_names_its_findings() -> None:
    (report,) = documents("trace", "--from", CHECKOUT)
    assert [f["detector"] for f in report["findings"]] == ["n_plus_one_db", "absorbed_error"]
    assert report["findings"][0]["span_ids"][0] == "0000000000000006"
    text = run("trace", "--from", CHECKOUT).stdout
    assert text.index("critical n_plus_one_db") < text.index("DO ") < text.index("FINDINGS")


def test_telemetry_in_findings_is_inert(tmp_path: Path) -> None:
    evil = "SELECT \x1b[31mred\x1b[0m FROM [bold]t[/bold] WHERE id = $1"
    spans = request(200, *(query(2 + i, i * 10, 9, evil, name="\x1b]0;x\x07") for i in range(12)))
    file = tmp_path / "evil.pb"
    file.write_bytes(telemetry_of_spans(spans).body)
    for command in ("findings", "trace"):
        text = run(command, "--from", file).stdout
        assert "\x1b" not in text
        assert "[bold]t[/bold]" in text


def test_what_another_fault_causes_says_so() -> None:
    shared = {
        "service": "s", "operation": "o", "saving_ns": 0, "median_saving_ns": 0, "reason": "r",
        "action": "a", "trace_count": 0, "trace_share": 0.0, "trace_ids": [], "roots": [],
    }  # fmt: skip
    cause = {**shared, "detector": "slow_db_query", "severity": "warning",
             "fingerprint": "01", "explained_by": None}  # fmt: skip
    effect = {**shared, "detector": "client_timeout", "severity": "critical",
              "fingerprint": "02", "explained_by": "01"}  # fmt: skip
    coverage = {"matched": 9, "used": 9, "unsettled_explained": 0, "incomplete": 0, "late": 0}
    written = StringIO()
    console = Console(width=100, no_color=True, file=written)
    console.print(
        findings_text(
            {"findings": [cause, effect], "coverage": coverage, "info_count": 0, "notices": []}
        )
    )
    text = written.getvalue()
    assert text.count("DUE") == 1
    assert "most likely what finding 1 causes (slow_db_query)" in text
    assert max(map(len, text.splitlines())) <= 100
