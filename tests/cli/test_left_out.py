"""Records of a file that cannot be read are never dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import CHECKOUT, run

GOOD = {"traceID": "1", "spanID": "1", "operationName": "o", "references": [],
        "startTime": 1_700_000_000_000_000, "duration": 5, "tags": [], "logs": [],
        "processID": "p1"}  # fmt: skip


def jaeger_file(at: Path, *spans: dict[str, Any]) -> Path:
    processes = {"p1": {"serviceName": "x", "tags": []}}
    traces = [{"traceID": "1", "spans": list(spans), "processes": processes}]
    at.write_text(json.dumps({"data": traces}))
    return at


@pytest.mark.parametrize("command", ["trace", "traces", "critical-path", "services", "export"])
def test_spans_left_out_are_counted_and_are_bad_news(tmp_path: Path, command: str) -> None:
    odd = jaeger_file(tmp_path / "odd.json", GOOD, {**GOOD, "spanID": "zz"},
                      {**GOOD, "spanID": "3", "duration": 1e30})  # fmt: skip
    result = run(command, "--from", CHECKOUT, "--from", odd)
    assert result.exit_code == 1
    assert result.stdout
    assert "2 records" in result.stderr
    assert str(odd) in result.stderr
    assert result.stderr.count(str(CHECKOUT)) == 0


def test_the_report_names_what_the_file_lost(tmp_path: Path) -> None:
    odd = jaeger_file(tmp_path / "odd.json", GOOD, {**GOOD, "spanID": "zz"})
    report = json.loads(run("trace", "--from", odd, "--json").stdout)
    (problem,) = report["problems"]
    assert (problem["severity"], problem["count"], problem["span_ids"]) == ("loss", 1, [])
    assert problem["message"].startswith(f"{odd}: ")


def test_a_file_without_any_good_span_says_why(tmp_path: Path) -> None:
    odd = jaeger_file(tmp_path / "odd.json", {**GOOD, "spanID": "zz"})
    result = run("trace", "--from", odd)
    assert result.exit_code == 3
    assert str(odd) in result.stderr


def test_whole_files_are_no_news() -> None:
    result = run("trace", "--from", CHECKOUT)
    assert (result.exit_code, result.stderr) == (0, "")
