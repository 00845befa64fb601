from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from longpole.storage.duckdb.manifest import (
    SCHEMA_VERSION,
    Manifest,
    ManifestChange,
    ManifestDamaged,
    ManifestVersionMismatch,
    SegmentEntry,
    ServiceEntry,
)
from longpole.storage.duckdb.manifest_digest import write_digests

ENTRY = SegmentEntry(3, "logs", 10, 4096, 5, 9, -7, 1 << 62, 123)


def test_a_change_reads_back_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    manifest = Manifest.open(path)
    high_id = (1 << 128) - 1
    change = ManifestChange(
        added=(ENTRY,),
        sealed_through=9,
        settled_through=8,
        duplicate_spans=2,
        superseded={high_id: 3, 1: 1},
        request_hashes=[(b"h" * 16, 9, 55)],
        attribute_keys={("span", "k\0é"): "BIGINT"},
        services=[ServiceEntry("shop", 0, -5, 5)],
    )
    manifest.commit(change)
    manifest.close()
    again = Manifest.open(path)
    assert again.segments() == (ENTRY,)
    assert (again.sealed_through, again.settled_through) == (9, 8)
    assert again.number("duplicate_spans") == 2
    assert again.superseded() == {high_id: 3, 1: 1}
    assert again.request_hashes() == [(b"h" * 16, 9, 55)]
    assert again.attribute_keys() == {("span", "k\0é"): "BIGINT"}
    assert again.services() == (ServiceEntry("shop", 0, -5, 5),)
    again.close()


def test_a_change_that_fails_midway_changes_nothing(tmp_path: Path) -> None:
    manifest = Manifest.open(tmp_path / "manifest.sqlite")
    manifest.commit(ManifestChange(added=(ENTRY,)))
    with pytest.raises(sqlite3.IntegrityError):
        manifest.commit(ManifestChange(removed=(3,), added=(ENTRY, ENTRY), sealed_through=99))
    assert manifest.segments() == (ENTRY,)
    assert manifest.sealed_through == 0
    manifest.close()


def test_marks_only_grow(tmp_path: Path) -> None:
    manifest = Manifest.open(tmp_path / "manifest.sqlite")
    manifest.commit(ManifestChange(sealed_through=9))
    manifest.commit(ManifestChange(sealed_through=4, superseded={1: 5}))
    manifest.commit(ManifestChange(superseded={1: 2}))
    assert manifest.sealed_through == 9
    assert manifest.superseded() == {1: 5}
    manifest.close()


def test_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    Manifest.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value=7 WHERE key='schema_version'")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ManifestVersionMismatch, match="version 7"):
        Manifest.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"x" * 600, b"SQLite format 3\0" + b"\xff" * 9000])
def test_what_is_no_manifest_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.sqlite"
    path.write_bytes(content)
    with pytest.raises(ManifestDamaged):
        Manifest.open(path)


def test_a_changed_value_is_noticed_though_the_structure_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    manifest = Manifest.open(path)
    manifest.commit(ManifestChange(sealed_through=7, counts={"lost_damaged_spans": 3}))
    manifest.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = 6 WHERE key = 'sealed_through'")
    with pytest.raises(ManifestDamaged, match="the table meta is not what was written"):
        Manifest.open(path)


def test_a_manifest_from_before_there_were_digests_is_opened_and_gets_them(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    manifest = Manifest.open(path)
    manifest.commit(ManifestChange(sealed_through=7))
    manifest.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TABLE digests")
        other.execute("DROP TABLE reopened")
    assert (read := Manifest.open(path, read_only=True)).sealed_through == 7
    read.close()
    Manifest.open(path).close()
    with closing(sqlite3.connect(path)) as other:
        assert len(other.execute("SELECT * FROM digests").fetchall()) == 6


@pytest.mark.parametrize("change", ["SET value = 0", "SET value = 'x'", "SET key = 'sche'"])
def test_a_damaged_version_is_no_other_version(tmp_path: Path, change: str) -> None:
    path = tmp_path / "manifest.sqlite"
    Manifest.open(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute(f"UPDATE meta {change} WHERE key = 'schema_version'")
    with pytest.raises(ManifestDamaged, match="no version has the number"):
        Manifest.open(path)


def test_an_earlier_version_gets_our_number_when_it_is_opened_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    manifest = Manifest.open(path)
    manifest.commit(ManifestChange(sealed_through=7))
    manifest.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = 1 WHERE key = 'schema_version'")
        write_digests(other, ["meta"])
    for read_only, expected in ((True, 1), (False, SCHEMA_VERSION), (True, SCHEMA_VERSION)):
        manifest = Manifest.open(path, read_only=read_only)
        assert (manifest.sealed_through, manifest.number("schema_version")) == (7, expected)
        manifest.close()


def test_a_damaged_manifest_of_an_earlier_version_is_not_made_whole(tmp_path: Path) -> None:
    path = tmp_path / "manifest.sqlite"
    Manifest.open(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = 1 WHERE key = 'schema_version'")
    for _ in range(2):
        with pytest.raises(ManifestDamaged, match="meta is not what was written"):
            Manifest.open(path)
