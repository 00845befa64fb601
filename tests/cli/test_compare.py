"""`longpole compare` and `diff`: two sides, however they are told apart, and how it ends."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from longpole.dashboards.figures import duration
from tests.cli.command import documents, run
from tests.cli.compared_files import SECOND, START, release, written

ROOT = Path(__file__).parent.parent
HEAD_START = START + 3600 * SECOND
SLOWER = ["--fail-on", "mean path > +5%"]


def schema(name: str) -> Any:
    return json.loads((ROOT.parent / "docs" / "schemas" / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`base`, `head` (a release that is slower), `again` (base's release), `both`."""
    folder = tmp_path_factory.mktemp("compared")
    base, head = release("1.4.0", START, 1), release("1.5.0", HEAD_START, 2)
    return {
        "base": written(folder, "base.pb", base),
        "head": written(folder, "head.pb", head),
        "again": written(folder, "again.pb", release("1.4.0", HEAD_START, 3)),
        "both": written(folder, "both.pb", [*base, *head]),
    }


def sides(files: dict[str, Path], base: str = "base", head: str = "head") -> list[str | Path]:
    return ["--base-file", files[base], "--head-file", files[head]]


def test_a_trace_on_both_sides_is_told_of_by_number(tmp_path: Path) -> None:
    for count, told in ((1, "1 trace matches"), (2, "2 traces match")):
        file = written(tmp_path, f"{count}.pb", release("1.4.0", START, 1, count))
        (found,) = documents("compare", "--base-file", file, "--head-file", file)
        assert f"{told} on both sides" in found["notices"]


def test_the_terms_add_up_and_the_causes_are_named(files: dict[str, Path]) -> None:
    (found,) = documents("compare", *sides(files))
    jsonschema.validate(found, schema("compare"))
    compared = found["compared"]
    assert sum(term["difference_ns"] for term in found["terms"]) == compared["difference_ns"]
    assert found["is_different"]
    kinds = {(term["kind"], term["operation"]) for term in found["terms"] if term["is_real"]}
    assert kinds >= {("longer_calls", "SELECT cart"), ("new_calls", "GET /ratings")}
    (why,) = [a for a in found["attributes"] if a["operation"] == "SELECT cart"]
    named = {(c["key"], c["value"]) for cause in why["causes"] for c in (cause, *cause["same"])}
    assert named == {("region", "eu"), ("shard", "eu")}
    assert ("service.version", "1.5.0") in {(m["key"], m["value"]) for m in why["marks"]}


@pytest.mark.parametrize("statistic", ["p50", "p95", "p99"])
def test_bands_around_a_percentile_add_up_too(files: dict[str, Path], statistic: str) -> None:
    (found,) = documents("compare", *sides(files), "--statistic", statistic)
    compared = found["compared"]
    assert compared["base_traces"] < 10
    assert sum(term["difference_ns"] for term in found["terms"]) == compared["difference_ns"]
    told = re.search(r"› (.+) takes (.+?) more \(", found["verdict_line"])
    assert told is not None
    own = [t["difference_ns"] for t in found["terms"] if t["operation"] == told[1]]
    assert told[2] == duration(sum(own))


def test_however_the_sides_are_told_apart_the_answer_is_the_same(files: dict[str, Path]) -> None:
    begin, end = HEAD_START // SECOND, HEAD_START // SECOND + 3600
    ways: list[list[str | Path]] = [
        sides(files),
        ["--from", files["both"], "--by-attr", "service.version=1.4.0,1.5.0"],
        ["--from", files["both"], "--at", str(begin), "--window", "2h"],
        ["--from", files["both"], "--base-to", str(begin), "--head-from", str(begin)],
        ["--from", files["both"], "--base", '{ resource.service.version = "1.4.0" }',
         "--head-from", str(begin), "--head-to", str(end)],
    ]  # fmt: skip
    answers = [documents("compare", *way)[0] for way in ways]
    for answer in answers:
        assert answer["base"]["coverage"]["used"] == 60
        assert answer["terms"] == answers[0]["terms"]
        assert answer["verdict_line"] == answers[0]["verdict_line"]


def test_the_same_release_twice_is_no_difference(files: dict[str, Path]) -> None:
    (found,) = documents("compare", *sides(files, head="again"))
    assert not found["is_different"]
    assert found["verdict_line"].startswith("No difference")
    assert found["attributes"] == []
    assert run("diff", files["base"], files["again"]).exit_code == 0


def test_a_sample_says_so_and_is_the_same_every_time(files: dict[str, Path]) -> None:
    first, second = (documents("compare", *sides(files), "--sample", "40")[0] for _ in range(2))
    assert first == second
    assert first["base"]["coverage"] == {"matched": 60, "used": 40, "incomplete": 0, "late": 0}
    assert "40 of 60 matching traces are used" in first["notices"][0]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 1),
        (SLOWER, 1),
        (["--fail-on", "p95 path > +500%"], 0),
        (["--fail-on", "p95 path > +500%", *SLOWER], 1),
        (["--fail-on", "errors > +1%"], 0),
        (["--fail-on", 'mean path "SELECT cart" > +1ms'], 1),
        (["--fail-on", 'mean path "SELECT nothing" > +1ms'], 1),
        (["--root", "GET /cart", *SLOWER], 1),
        (["--fail-on", "p95 pth > 5%"], 2),
        (["--strict"], 2),
    ],
)
def test_a_check_ends_as_its_conditions_say(
    files: dict[str, Path], options: list[str], code: int
) -> None:
    assert run("diff", files["base"], files["head"], *options).exit_code == code


def test_noise_beyond_the_limit_fails_only_when_strict(files: dict[str, Path]) -> None:
    small = ["--fail-on", "mean path > +1ns"]
    pair = [files["base"], files["again"]]
    forth, back = (run("diff", *order, *small).stdout for order in (pair, pair[::-1]))
    beyond = pair if "beyond" in forth else pair[::-1]
    assert "not more than noise" in (forth + back)
    assert run("diff", *beyond, *small).exit_code == 0
    assert run("diff", *beyond, *small, "--strict").exit_code == 1


def test_nothing_to_compare_is_not_a_pass(files: dict[str, Path]) -> None:
    pair: list[str | Path] = [files["base"], files["head"], "--service", "nobody"]
    assert run("diff", *pair).exit_code == 1
    assert run("diff", *pair, *SLOWER).exit_code == 1
    shown = run("compare", *sides(files), "--service", "nobody")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Nothing to compare: neither side has traces.")


def test_a_check_of_nothing_does_not_contradict_itself(files: dict[str, Path]) -> None:
    shown = run("diff", files["base"], files["head"], "--service", "nobody").stdout
    assert shown.startswith("FAIL nothing to compare: neither side has traces.")
    assert "slower" not in shown


def test_too_few_traces_leave_a_check_open_unless_it_is_strict(
    files: dict[str, Path], tmp_path: Path
) -> None:
    pair: list[str | Path] = [files["base"], files["head"], "--sample", "3"]
    plain = run("diff", *pair)
    assert (plain.exit_code, plain.stdout.split()[0]) == (0, "unknown")
    report = tmp_path / "report.xml"
    gated = run("diff", *pair, *SLOWER, "--junit", report)
    assert gated.exit_code == 0
    assert gated.stdout.startswith("unknown mean path > +5%  ")
    assert "cannot tell: 3 and 3 traces, at least 8 a side are needed" in " ".join(
        gated.stdout.split()
    )
    assert gated.stderr.startswith("note: the check passes only because there are too few traces")
    assert ElementTree.parse(report).getroot().get("skipped") == "1"
    strict = run("diff", *pair, *SLOWER, "--strict")
    assert (strict.exit_code, strict.stderr, strict.stdout[:4]) == (1, "", "FAIL")
    (found,) = documents("diff", *pair, *SLOWER)
    jsonschema.validate(found, schema("diff"))
    assert [gate["outcome"] for gate in found["gates"]] == ["too_few"]


def test_the_document_of_a_check_fits_its_schema(files: dict[str, Path]) -> None:
    (found,) = documents("diff", files["base"], files["again"], *SLOWER)
    jsonschema.validate(found, schema("diff"))
    assert found["is_passed"]
    assert found["gates"][0]["outcome"] in ("passed", "noise")


def test_junit_counts_checks_and_failures(files: dict[str, Path], tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    run("diff", files["base"], files["head"], *SLOWER, "--fail-on", "errors > +1%",
        "--junit", report)  # fmt: skip
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert suite[0].get("name") == "mean path > +5%"
    assert suite[0].find("failure") is not None
    assert run("diff", files["base"], files["head"], "--junit", tmp_path).exit_code == 2


def test_names_from_telemetry_are_no_markup(tmp_path: Path) -> None:
    def evil(start: int, seed: int, version: str) -> list[Any]:
        from dataclasses import replace

        name = "a|b [x](http://evil) `c`\x1b[2J <img src=x>"
        return [replace(s, name=s.name.replace("SELECT cart", name))
                for s in release(version, start, seed)]  # fmt: skip

    base = written(tmp_path, "base.pb", evil(START, 1, "1.4.0"))
    head = written(tmp_path, "head.pb", evil(HEAD_START, 2, "1.5.0"))
    for command in (["diff"], ["diff", "--markdown"]):
        shown = run(*command, base, head).stdout
        assert "\x1b" not in shown
    assert "a\\|b \\[x\\]\\(http:" in shown
    assert "<img" not in shown.replace("\\<img", "")


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--service", "cart"],
        ["--at", "1767323000"],
        ["--at", "1767323000", "--window", "5"],
        ["--by-attr", "service.version"],
        ["--by-attr", "service.version=1"],
        ["--base-file", "x"],
        ["--window", "1h", "--base-from", "1767323000"],
        ["--base", "{ nope", "--head", "{}"],
        ["--window", "1h", "--sample", "0"],
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(
    files: dict[str, Path], options: list[str]
) -> None:
    result = run("compare", *options, "--from", files["both"])
    assert result.exit_code == 2
    assert result.stderr or result.exception


REPORTS = {
    "compare": ["compare"],
    "diff": ["diff", "--fail-on", "p95 path > +5%", "--fail-on", "errors > +1%"],
    "diff-markdown": ["diff", "--markdown"],
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_report_reads_as_agreed(files: dict[str, Path], name: str) -> None:
    pair = sides(files) if name == "compare" else [files["base"], files["head"]]
    shown = run(*REPORTS[name], *pair, COLUMNS="100").stdout
    golden = ROOT / "golden" / f"{name}.txt"
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        golden.write_text(shown)
    assert shown == golden.read_text()
    if name != "diff-markdown":
        assert all(len(line) <= 100 for line in shown.splitlines())
