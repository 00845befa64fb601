"""`longpole doctor` on healthy and on damaged data directories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from tests.cli.command import run
from tests.storage.duckdb.damage import damage_table, flip, segment_files
from tests.storage.duckdb.traffic import contents, logs, opened, send, spans

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "doctor.json").read_text())
IDS = range(1, 31)


def filled(path: Path) -> None:
    store = opened(path)
    send(store, spans(IDS), logs(IDS))
    store.seal()
    store.close()


def examined(path: Path, *arguments: str) -> tuple[int, Any]:
    """Exit code and document."""
    result = run("doctor", "--data-dir", path, "--json", *arguments)
    document = json.loads(result.stdout)
    jsonschema.validate(document, SCHEMA)
    return result.exit_code, document


def test_a_healthy_directory_is_called_so(tmp_path: Path) -> None:
    filled(tmp_path)
    code, document = examined(tmp_path)
    assert (code, document["is_healthy"]) == (0, True)
    states = {part["name"]: (part["state"], part["records"]) for part in document["parts"]}
    assert states == {
        "manifest": ("whole", 2),
        "spans-1.duckdb": ("whole", 90),
        "logs-2.duckdb": ("whole", 30),
        "journal": ("whole", 0),
    }
    text = run("doctor", "--data-dir", tmp_path)
    assert "whole: 1 segment of spans, 90 spans" in text.stdout
    assert f"Everything in {tmp_path} can be read." in text.stdout.replace("\n", " ")


def test_damage_is_named_and_repaired_when_asked(tmp_path: Path) -> None:
    filled(tmp_path)
    damage_table(segment_files(tmp_path, "spans")[0], "span_links")
    before = sorted(p.name for p in tmp_path.glob("*/*"))
    code, document = examined(tmp_path)
    (damaged,) = [part for part in document["parts"] if part["state"] != "whole"]
    assert (code, damaged["name"], damaged["state"]) == (1, "spans-1.duckdb", "damaged")
    assert damaged["message"].startswith("parts of span_links cannot be read: Corrupt database")
    assert sorted(p.name for p in tmp_path.glob("*/*")) == before, "looking changes nothing"

    code, document = examined(tmp_path, "--repair")
    assert (code, document["is_healthy"]) == (0, True)
    assert document["losses"]["lost_damaged_span_links"] > 0
    assert [file["name"] for file in document["quarantine"]] == ["spans-1.duckdb"]
    assert "spans-1.duckdb is damaged. Lost: " in document["repairs"][0]["message"]
    store = opened(tmp_path)
    assert len(contents(store, IDS)) == len(IDS)
    store.close()


def test_a_manifest_that_is_no_database_is_rebuilt(tmp_path: Path) -> None:
    filled(tmp_path)
    flip(tmp_path / "manifest.sqlite", 5)
    code, document = examined(tmp_path)
    assert code == 1
    assert [(part["name"], part["state"]) for part in document["parts"]] == [
        ("manifest", "damaged"),
        ("logs-2.duckdb", "whole"),
        ("spans-1.duckdb", "whole"),
        ("journal", "whole"),
    ]
    code, document = examined(tmp_path, "--repair")
    assert (code, document["is_healthy"]) == (0, True)
    assert document["repairs"][0]["code"] == "manifest_damaged"


def test_a_server_keeps_the_doctor_from_repairing_not_from_looking(tmp_path: Path) -> None:
    filled(tmp_path)
    store = opened(tmp_path)
    send(store, spans(range(100, 103)))
    code, document = examined(tmp_path)
    assert (code, document["parts"][-1]["records"]) == (0, 1)
    assert document["server_pid"]
    refused = run("doctor", "--data-dir", tmp_path, "--repair")
    store.close()
    assert refused.exit_code == 2


def test_where_there_is_no_data_there_is_nothing_to_examine(tmp_path: Path) -> None:
    assert run("doctor", "--data-dir", tmp_path / "none").exit_code == 3
