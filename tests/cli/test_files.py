"""The same answers come from files of every format, without a server."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from longpole.dashboards.exports import FORMATS
from tests.cli.command import CHECKOUT, CHECKOUT_ID, documents, run

PATH_FIELDS = ("trace_id", "duration_ns", "span_count", "error_count", "root")


def exported(tmp_path: Path, form: str) -> Path:
    target = tmp_path / f"export.{FORMATS[form].suffix}"
    result = run("export", "--from", CHECKOUT, "--format", form, "-o", target)
    assert result.exit_code == 0, result.output
    return target


def path_of(report: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (s["span_id"], s["service"], s["operation"], s["start_unix_nano"], s["end_unix_nano"])
        for s in report["segments"]
    ]


@pytest.mark.parametrize("form", ["otlp-json", "otlp-protobuf"])
def test_otlp_files_give_the_same_report(tmp_path: Path, form: str) -> None:
    (expected,) = documents("trace", "--from", CHECKOUT, CHECKOUT_ID)
    (report,) = documents("trace", "--from", exported(tmp_path, form), CHECKOUT_ID)
    expected["logs"] = []  # they are another signal, so not in the export
    assert report == expected


@pytest.mark.parametrize("form", ["jaeger-json", "zipkin-json"])
def test_other_formats_keep_the_path_to_the_microsecond(tmp_path: Path, form: str) -> None:
    (expected,) = documents("trace", "--from", CHECKOUT)
    (report,) = documents("trace", "--from", exported(tmp_path, form))
    for field in PATH_FIELDS:
        assert report[field] == expected[field], field
    # Both formats count in microseconds.
    for kept, sent in zip(path_of(report), path_of(expected), strict=True):
        assert kept[:3] == sent[:3]
        assert all(abs(a - b) < 1000 for a, b in zip(kept[3:], sent[3:], strict=True))


def test_gzip_and_standard_input_are_read() -> None:
    zipped = gzip.compress(CHECKOUT.read_bytes())
    result = run("trace", "--from", "-", "--json", given=zipped)
    assert json.loads(result.stdout)["trace_id"] == CHECKOUT_ID


def test_a_file_of_logs_alone_has_no_trace(tmp_path: Path) -> None:
    only_logs = tmp_path / "logs.jsonl"
    only_logs.write_text(CHECKOUT.read_text().splitlines()[1])
    assert run("trace", "--from", only_logs).exit_code == 3


def test_options_of_the_path_reach_the_analysis(tmp_path: Path) -> None:
    (clipped,) = documents("trace", "--from", CHECKOUT, "--overflow", "clip", "--tau", "0")
    assert clipped["duration_ns"] == 1_910_000_000
    assert run("trace", "--from", CHECKOUT, "--eps", "-1").exit_code == 2
    assert run("trace", "--from", CHECKOUT, "--tau", "soon").exit_code == 2


def test_several_files_and_traces_give_one_line_each(tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(CHECKOUT.read_text().replace(CHECKOUT_ID, "ab" * 16))
    reports = documents("trace", "--from", CHECKOUT, "--from", other)
    assert {report["trace_id"] for report in reports} == {CHECKOUT_ID, "ab" * 16}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["trace"], 2),
        (["trace", "--from", "/nonexistent/file"], 3),
        (["trace", "xyz", "--from", str(CHECKOUT)], 2),
        (["trace", "f" * 32, "--from", str(CHECKOUT)], 3),
        (["traces", "{ nope", "--from", str(CHECKOUT)], 2),
        (["traces", "--limit", "0", "--from", str(CHECKOUT)], 2),
        (["traces", "--min-duration", "5", "--from", str(CHECKOUT)], 2),
        (["critical-path", "--group-by", "mood", "--from", str(CHECKOUT)], 2),
        (["export", "--signal", "logs", "--format", "jaeger-json", "--from", str(CHECKOUT)], 2),
        (["sql", "select 1", "--json", "--csv"], 2),
        (["traces"], 3),
        (["traces", "--url", "http://127.0.0.1:1"], 4),
        (["nonsense"], 2),
    ],
)
def test_failures_have_the_documented_exit_code(arguments: list[str], code: int) -> None:
    assert run(*arguments).exit_code == code


def test_a_file_that_is_nothing_is_refused_with_what_is_understood(tmp_path: Path) -> None:
    odd = tmp_path / "odd.json"
    odd.write_text('{"hello": 1}')
    result = run("trace", "--from", odd)
    assert result.exit_code == 2
    assert "Zipkin" in result.stderr


def test_filters_choose_traces() -> None:
    for filters, found in (
        (["--service", "cart-svc"], 1),
        (["--service", "nobody"], 0),
        (["--min-duration", "1.9s", "--max-duration", "2s"], 1),
        (["--min-duration", "1.92s"], 0),
        (["--error"], 1),
        (["--attr", "http.response.status_code=200"], 1),
        (["--attr", 'http.response.status_code="200"'], 0),
        (["--operation", "SELECT cart_items", "--service", "shop-web"], 0),
        (["--from-time", "2026-01-02T03:04:05Z", "--to-time", "2026-01-02T03:04:06Z"], 1),
        (["--to-time", "1767323045"], 0),
        (['{ resource.service.name = "pay-svc" && status = error }'], 1),
    ):
        (document,) = documents("traces", "--from", CHECKOUT, *filters)
        assert len(document["traces"]) == found, filters


def test_an_empty_directory_holds_no_data(tmp_path: Path) -> None:
    result = run("traces", "--data-dir", tmp_path)
    assert result.exit_code == 3
    assert f"there is no data in {tmp_path}" in result.stderr


@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_the_export_of_an_unknown_trace_writes_nothing(tmp_path: Path, signal: str) -> None:
    target = tmp_path / "out.json"
    asked = ("export", "--from", CHECKOUT, "--signal", signal, "--trace", "f" * 32)
    to_file = run(*asked, "-o", target)
    assert (to_file.exit_code, list(tmp_path.iterdir())) == (3, [])
    assert "f" * 32 in to_file.stderr
    assert run(*asked).stdout_bytes == b""


def test_the_export_of_one_trace_holds_it(tmp_path: Path) -> None:
    result = run("export", "--from", CHECKOUT, "--trace", CHECKOUT_ID)
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["resourceSpans"]) > 1


def test_a_report_of_a_file_explains_its_trace_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from longpole.analyzer import explain as module
    from longpole.analyzer import settle_round
    from longpole.analyzer.reports import unsettled
    from longpole.dashboards import trace_answers

    explained: list[object] = []

    def counted(*arguments: Any) -> Any:
        explained.append(arguments[0])
        return module.explain(*arguments)

    for asker in (settle_round, unsettled, trace_answers):
        monkeypatch.setattr(asker, "explain", counted)
    (report,) = documents("trace", "--from", CHECKOUT)
    assert report["completeness"]["settled"]
    assert len(explained) == 1
