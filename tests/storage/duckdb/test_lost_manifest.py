"""The manifest is two files, and either may be lost or damaged on its own."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb.manifest import ManifestDamaged
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import StorageUnavailable
from tests.storage.duckdb.traffic import START, contents, logs, opened, row_counts, send, spans

IDS = range(1, 61)


def part_of(number: int) -> range:
    return IDS[number * 10 : number * 10 + 10]


def quarantined(path: Path) -> list[str]:
    return sorted(p.name for p in (path / "quarantine").iterdir() if p.suffix == ".duckdb")


@pytest.mark.parametrize("damage", ["lost", "overwritten", "cut"])
def test_a_killed_server_outlives_the_loss_of_the_write_ahead_log(
    tmp_path: Path, damage: str
) -> None:
    store = opened(tmp_path / "data", compact_files=3)
    for number in range(4):
        send(store, spans(part_of(number), seed=number))
        store.seal()
        store.tick()
    send(store, spans(part_of(4), seed=4), logs(IDS))
    store.seal()
    sent, counts = contents(store, IDS), row_counts(store)
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "data", crashed)
    store.close()
    wal = crashed / "manifest.sqlite-wal"
    content = wal.read_bytes() if wal.exists() else b""
    (crashed / "manifest.sqlite-shm").unlink(missing_ok=True)
    if damage == "lost":
        wal.unlink(missing_ok=True)
    elif damage == "overwritten":
        middle = len(content) // 2
        wal.write_bytes(content[:middle] + b"\x5a" * 64 + content[middle + 64 :])
    else:
        wal.write_bytes(content[: len(content) * 3 // 4])
    again = opened(crashed)
    assert (contents(again, IDS), row_counts(again)) == (sent, counts)
    assert quarantined(crashed) == []
    assert again.status().losses == {}
    again.close()


@pytest.mark.parametrize(
    "age", [0, 3, *(pytest.param(age, marks=pytest.mark.full) for age in (1, 2, 4, 5))]
)
def test_a_manifest_older_than_the_segments_is_rebuilt(tmp_path: Path, age: int) -> None:
    """An older manifest is what is left when the log of the newest changes is gone."""
    store = opened(tmp_path / "data", compact_files=3)
    album = [tmp_path / f"manifest-{number}" for number in range(6)]
    shutil.copy(tmp_path / "data" / "manifest.sqlite", album[0])
    for number in range(5):
        send(store, spans(part_of(number), seed=number), logs(part_of(number)))
        store.seal()
        store.tick()
        shutil.copy(tmp_path / "data" / "manifest.sqlite", album[number + 1])
    send(store, spans(part_of(5)))
    sent, counts = contents(store, IDS), row_counts(store)
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "data", crashed)
    store.close()
    for suffix in ("", "-wal", "-shm"):
        (crashed / f"manifest.sqlite{suffix}").unlink(missing_ok=True)
    shutil.copy(album[age], crashed / "manifest.sqlite")
    again = opened(crashed)
    assert (contents(again, IDS), row_counts(again)) == (sent, counts)
    codes = {problem.code for problem in again.status().problems}
    assert codes == (set() if age == 5 else {"manifest_damaged"})
    assert quarantined(crashed) == []
    again.close()
    last = opened(crashed)
    assert (contents(last, IDS), row_counts(last)) == (sent, counts)
    last.close()


def test_a_rebuilt_manifest_keeps_a_seal_whose_frames_are_released(tmp_path: Path) -> None:
    store = opened(tmp_path)
    send(store, spans(IDS[:10]), logs(IDS[:10]))
    store.seal()
    sent = contents(store, IDS)
    store.close()
    (tmp_path / "manifest.sqlite").unlink()
    (tmp_path / "segments" / "logs-2.duckdb").unlink()
    again = opened(tmp_path)
    assert contents(again, IDS) == sent
    again.close()


def test_a_rebuilt_manifest_tells_what_is_missing_in_the_middle(tmp_path: Path) -> None:
    store = opened(tmp_path, compact_files=9)
    for number in range(3):
        send(store, spans(part_of(number), seed=number), logs(part_of(number)))
        store.seal()
    store.close()
    (tmp_path / "manifest.sqlite").unlink()
    for name in ("spans-3.duckdb", "logs-4.duckdb", "logs-6.duckdb"):
        (tmp_path / "segments" / name).unlink()
    again = opened(tmp_path)
    messages = [p.message for p in again.status().problems if p.code.endswith("with_holes")]
    assert len(messages) == 2
    assert "Requests 3 to 4 are in no segment" in messages[0]
    assert "are gone (6)" in messages[1]
    assert set(contents(again, IDS)) == {*part_of(0), *part_of(2)}
    again.close()


@pytest.mark.parametrize("damage", ["lost", "garbage", "older"])
def test_a_reader_of_a_lost_manifest_learns_what_to_do(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path)
    manifest = tmp_path / "manifest.sqlite"
    before = manifest.read_bytes()
    send(store, spans(part_of(0)))
    store.seal()
    store.close()
    if damage == "lost":
        manifest.unlink()
    else:
        manifest.write_bytes(before if damage == "older" else b"not a database" * 1000)
    files = sorted(p.name for p in tmp_path.glob("*/*"))
    with pytest.raises(ManifestDamaged, match=r"longpole serve --data-dir .* once: it rebuilds"):
        DuckDBStore.open_read_only(StoreSettings(tmp_path), ManualClock(START))
    assert sorted(p.name for p in tmp_path.glob("*/*")) == files


@pytest.mark.parametrize("has_log", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_directory_that_cannot_be_written_can_be_read(tmp_path: Path, has_log: bool) -> None:
    store = opened(tmp_path / "data")
    send(store, spans(part_of(0)))
    if has_log:
        reader = sqlite3.connect(tmp_path / "data" / "manifest.sqlite")
        reader.execute("BEGIN").execute("SELECT * FROM meta").fetchone()
    store.seal()
    sent = contents(store, IDS)
    medium = tmp_path / "medium"
    shutil.copytree(tmp_path / "data", medium)
    if has_log:
        reader.close()
    store.close()
    assert (medium / "manifest.sqlite-wal").stat().st_size > 0 if has_log else True
    # A directory in its place keeps SQLite from creating this file, as a read-only medium does
    # (which a test that runs as root cannot have).
    (medium / "manifest.sqlite-shm").unlink(missing_ok=True)
    (medium / "manifest.sqlite-shm").mkdir()
    read = DuckDBStore.open_read_only(StoreSettings(medium), ManualClock(START))
    assert contents(read, IDS) == sent
    read.close()


def test_answers_name_the_losses(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for number in range(5):
        send(store, spans(part_of(number), seed=number))
        store.seal()
    store.close()
    for number in range(1, 6):
        (tmp_path / "segments" / f"spans-{number}.duckdb").write_bytes(b"\0" * 4096)
    again = opened(tmp_path)
    with again.lease() as lease:
        losses = lease.snapshot.losses
    assert len(losses) == 4
    assert losses[0].startswith("spans-1.duckdb with 30 records cannot be read")
    assert losses[3] == "and 2 losses more: see `longpole status`"
    again.close()


def test_a_damaged_journal_is_named_by_readers_without_a_server(tmp_path: Path) -> None:
    store = opened(tmp_path / "data")
    send(store, spans(part_of(0)))
    send(store, spans(part_of(1)))
    shutil.copytree(tmp_path / "data", tmp_path / "crashed")
    store.close()
    (journal,) = (tmp_path / "crashed" / "journal").iterdir()
    content = journal.read_bytes()
    journal.write_bytes(content[:200] + b"\xff" * 64 + content[264:])
    read = DuckDBStore.open_read_only(StoreSettings(tmp_path / "crashed"), ManualClock(START))
    assert set(contents(read, IDS)) == set(part_of(1))
    assert read.status().losses["journal_damaged_bytes"] > 0
    with read.lease() as lease:
        assert any("damaged bytes were skipped" in loss for loss in lease.snapshot.losses)
    read.close()
    owner = opened(tmp_path / "crashed")
    with owner.lease() as lease:
        assert any("damaged bytes were skipped" in loss for loss in lease.snapshot.losses)
    owner.close()


def test_a_full_disk_is_named_with_the_setting_that_helps(tmp_path: Path) -> None:
    store = opened(tmp_path, min_free_bytes=1 << 60)
    with pytest.raises(StorageUnavailable, match=r"is full: .* --min-free-bytes"):
        send(store, spans(part_of(0)))
    (problem,) = store.status().problems
    assert problem.code == "disk_full"
    assert str(tmp_path) in problem.message
    assert "--min-free-bytes" in problem.message
    store.close()
