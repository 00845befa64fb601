"""`longpole root-cause`: what it prints, as text and as JSON, and what it refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from longpole.formats.rows import telemetry_of_spans
from longpole.model.span import Resource
from tests.analyzer.root_cause.made_windows import HEALTHY, MS, START, Shop, two_windows
from tests.cli.command import documents, run
from tests.cli.test_json_outputs import schema

GOLDEN = Path(__file__).parent.parent / "golden"
COUNT = 40
MIDDLE = START + COUNT * 100 * MS
SHOPS = {
    "root-cause": Shop(query_ms=60, charge_fails=True, share=0.4),
    "root-cause-none": HEALTHY,
}


def asked(shop: Shop, directory: Path) -> Sequence[str | Path]:
    file = directory / "shop.pb"
    file.write_bytes(telemetry_of_spans(list(two_windows(shop, COUNT))).body)
    return ["root-cause", "--from-time", str(MIDDLE), "--from", file]


@pytest.mark.parametrize("name", SHOPS)
def test_the_report_reads_as_agreed(name: str, tmp_path: Path) -> None:
    result = run(*asked(SHOPS[name], tmp_path))
    assert result.exit_code == 0, result.output
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("LONGPOLE_RENEW_GOLDEN"):
        golden.write_text(result.stdout)
    assert result.stdout == golden.read_text()
    for line in result.stdout.splitlines():
        assert len(line) <= 100
        assert line == line.rstrip()


@pytest.mark.parametrize("shop", SHOPS.values())
def test_the_json_fits_its_schema(shop: Shop, tmp_path: Path) -> None:
    (document,) = documents(*asked(shop, tmp_path))
    jsonschema.validate(document, schema("root-cause"))
    assert document["is_clear"] == (shop is not HEALTHY)


def test_another_baseline_can_be_named(tmp_path: Path) -> None:
    arguments = asked(HEALTHY, tmp_path)
    given = ["--baseline-from", str(START), "--baseline-to", str(START + 1_000 * MS)]
    (document,) = documents(*arguments, *given)
    assert document["baseline"]["matched"] == 10
    assert run(*arguments, *given[:2]).exit_code == 2


def test_a_window_has_to_be_named(tmp_path: Path) -> None:
    *_, file = asked(HEALTHY, tmp_path)
    result = run("root-cause", "--from", file)
    assert result.exit_code == 2
    assert "which window?" in result.output


def test_telemetry_in_the_report_is_inert(tmp_path: Path) -> None:
    spans = two_windows(Shop(query_ms=60, root="\x1b]0;x\x07[bold]POST[/bold]"), COUNT)
    evil = [
        replace(one, resource=Resource({"service.name": f"\x1b[31m{one.service_name}"}))
        for one in spans
    ]
    file = tmp_path / "evil.pb"
    file.write_bytes(telemetry_of_spans(evil).body)
    text = run("root-cause", "--from-time", str(MIDDLE), "--from", file).stdout
    assert "\x1b" not in text
    assert json.loads(
        run("root-cause", "--from-time", str(MIDDLE), "--from", file, "--json").stdout
    )


@pytest.mark.parametrize(
    ("given", "window"),
    [
        (["--from-time", "2101-02-03T04:05:06Z"], "window    2101-02-03 04:05:06 to 04:05:06 UTC"),
        (["--to-time", "2001-02-03T04:05:06Z"], "window    until 2001-02-03 04:05:06 UTC"),
    ],
)
def test_a_window_without_traces_is_named(given: list[str], window: str, tmp_path: Path) -> None:
    *_, file = asked(HEALTHY, tmp_path)
    text = run("root-cause", *given, "--from", file).stdout
    assert text.splitlines() == ["No trace matches.", f"{window}  0 traces"]
