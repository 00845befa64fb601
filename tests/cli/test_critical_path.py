"""`longpole critical-path`: decompositions, the call tree, and what flame graph tools read.
Renew the golden files with LONGPOLE_RENEW_GOLDEN=1."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from longpole.analyzer.labels import Label
from longpole.cli.render.critical_path import LABELS
from longpole.cli.render.folded_stacks import MOST_FRAMES, folded_stacks
from longpole.cli.render.speedscope import speedscope_profile
from longpole.formats.rows import telemetry_of_spans
from longpole.model.span import Span, SpanKind
from tests.cli.command import CHECKOUT, DATA, documents, run

GOLDEN = Path(__file__).parent.parent / "golden"
SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schemas" / "critical-path.json"
MS = 10**6
REPORTS = {
    "critical-path-slow": [],
    "critical-path-mean": ["--explain", "mean", "--by", "edge"],
    "critical-path-tail": ["--explain", "tail", "--by", "service,operation"],
    "critical-path-variance": ["--explain", "variance", "--by", "call_path"],
    "critical-path-tree": ["--tree"],
}


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty requests of which every tenth waits long for its query, and as many pings."""
    file = tmp_path_factory.mktemp("requests") / "requests.pb"
    spans = [one for number in range(1, 81) for one in _request(number)]
    file.write_bytes(telemetry_of_spans(spans).body)
    return file


def _request(number: int) -> list[Span]:
    at = 1_767_323_045_000_000_000 + number * 10**9
    wait = 400 if number % 20 == 0 else number % 7
    root = Span(number, 1, 0, "GET /ping", SpanKind.SERVER, at, at + (5 + number % 3) * MS, "web")
    if number % 2:
        return [root]
    ends = [at + (end + wait) * MS for end in (60, 50, 45, 30)]
    return [
        replace(root, name="GET /cart", end_unix_nano=ends[0]),
        replace(root, span_id=2, parent_span_id=1, name="GET /price", kind=3,
                start_unix_nano=at + 5 * MS, end_unix_nano=ends[1]),
        replace(root, span_id=3, parent_span_id=2, name="GET /price", service_name="price;er",
                start_unix_nano=at + 8 * MS, end_unix_nano=ends[2]),
        replace(root, span_id=4, parent_span_id=3, name="SELECT prices", service_name="price;er",
                kind=3, attributes={"peer.service": "price-db"},
                start_unix_nano=at + 12 * MS, end_unix_nano=ends[3]),
    ]  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_the_report_reads_as_agreed(name: str, requests: Path) -> None:
    result = run("critical-path", *REPORTS[name], "--from", requests)
    assert result.exit_code == 0, result.output
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


@pytest.mark.parametrize("arguments", REPORTS.values())
def test_documents_fit_their_schema(arguments: list[str], requests: Path) -> None:
    for file in (requests, CHECKOUT):
        (document,) = documents("critical-path", *arguments, "--from", file)
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_folded_stacks_add_up_and_keep_their_frames_apart(requests: Path) -> None:
    (document,) = documents("critical-path", "--tree", "--from", requests)
    lines = run("critical-path", "--folded", "--from", requests).stdout.splitlines()
    stacks = dict(line.rsplit(" ", 1) for line in lines)
    assert sum(map(int, stacks.values())) == document["roots"]["duration_sum_ns"]
    query = "web GET /cart;web GET /price;price%3Ber GET /price;price%3Ber SELECT prices;[net_wait]"
    assert int(stacks[query]) == 40 * 18 * MS + _waits()
    assert len(stacks) == len(lines)


def _waits() -> int:
    return sum(400 if n % 20 == 0 else n % 7 for n in range(2, 81, 2)) * MS


def test_the_speedscope_profile_fits_its_format_and_adds_up(requests: Path, tmp_path: Path) -> None:
    file = tmp_path / "profile.json"
    run("critical-path", "--speedscope", "-o", file, "--from", requests)
    profile = json.loads(file.read_text())
    jsonschema.validate(profile, json.loads((DATA / "speedscope-file-format.json").read_text()))
    (document,) = documents("critical-path", "--tree", "--from", requests)
    (evented,) = profile["profiles"]
    assert evented["endValue"] == document["roots"]["duration_sum_ns"]
    stack: list[int] = []
    before = 0
    for event in evented["events"]:  # ascending, and what closes is what was opened last
        assert before <= event["at"] <= evented["endValue"]
        before = event["at"]
        if event["type"] == "O":
            stack.append(event["frame"])
            assert profile["shared"]["frames"][event["frame"]]["name"]
        else:
            assert stack.pop() == event["frame"]
    assert not stack


def test_deep_chains_and_unknown_paths_keep_exports_of_bounded_size() -> None:
    depth = 3000
    node = {"call_path_id": "0" * 16, "service": "a", "inclusive_ns": 1, "labels": {"self": 1}}
    tree = [{**node, "depth": at, "operation": f"op\n{at}"} for at in range(depth)]
    document: dict[str, Any] = {
        "tree": tree,
        "unexplained": {"call_path_count": 2, "critical_ns": 7},
        "roots": {"trace_count": 3},
    }
    lines = folded_stacks(document).splitlines()
    assert len(lines) == depth + 1
    assert max(line.count(";") for line in lines) == MOST_FRAMES
    assert lines[-1] == "(call path not known) 7"
    (evented,) = speedscope_profile(document)["profiles"]
    assert len(evented["events"]) == 2 * (depth + 1)
    assert evented["endValue"] == depth + 7


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tree", "--folded"],
        ["--tree", "--explain", "tail"],
        ["--folded", "--by", "service"],
        ["-o", "x.txt"],
        ["--speedscope", "-o", "/nonexistent/folder/file"],
        ["--by", "edge,edge"],
    ],
)
def test_contradictions_are_refused(arguments: list[str]) -> None:
    assert run("critical-path", *arguments, "--from", CHECKOUT).exit_code == 2


def test_every_label_has_words() -> None:
    assert {str(label) for label in Label} == set(LABELS)


def test_no_match_is_said_in_words() -> None:
    assert (
        "No trace matches."
        in run("critical-path", "--service", "nobody", "--from", CHECKOUT).stdout
    )
