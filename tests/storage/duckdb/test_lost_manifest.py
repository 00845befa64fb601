"""The manifest is two files, and either may be lost or damaged on its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.storage.duckdb.traffic import contents, logs, opened, row_counts, send, spans

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


@pytest.mark.parametrize("age", [0, 1, 2, 3, 4, 5])
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
