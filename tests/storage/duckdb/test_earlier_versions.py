"""F-UPG: a data directory that an earlier version left opens with everything in it.

`data/store-of-format-1.tar.xz` was written by the version before the manifest had digests, as
`left_by_an_earlier_version` describes, and killed.
"""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.duckdb.manifest import ManifestVersionMismatch
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from tests.storage.duckdb.test_settlement import settle, visible
from tests.storage.duckdb.traffic import START, contents, logs, metrics, opened, send, spans

ARCHIVE = Path(__file__).parent / "data" / "store-of-format-1.tar.xz"
IDS = range(1, 17)


def left_by_an_earlier_version(path: Path) -> Path:
    """The directory: twelve explained traces, logs and points in segments; then four traces in
    the journal alone."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(path, filter="data")
    return path


def same_requests(path: Path) -> DuckDBStore:
    """A store of today that was sent the same."""
    store = opened(path)
    send(store, spans(range(1, 13)), logs(range(1, 7)), metrics(12))
    send(store, spans(range(13, 17), seed=1))
    return store


def test_a_store_of_an_earlier_version_opens_with_everything_in_it(tmp_path: Path) -> None:
    path = left_by_an_earlier_version(tmp_path / "old")
    today = same_requests(tmp_path / "today")
    clock = ManualClock(START)
    for _ in range(2):  # also once this version has sealed and closed it
        store = opened(path, clock)
        assert contents(store, IDS) == contents(today, IDS)
        assert store.status().record_counts == today.status().record_counts
        assert store.status().losses == {}
        assert store.status().problems == ()
        clock.advance(60)
        settle(store)
        assert visible(store) == [(trace_id, 1) for trace_id in IDS]
        store.close()
    today.close()


def test_files_of_an_earlier_and_of_this_version_are_merged(tmp_path: Path) -> None:
    store = opened(left_by_an_earlier_version(tmp_path / "old"), compact_files=2)
    later = range(30, 40)
    send(store, spans(later, seed=4))
    store.seal()
    with store.lease() as lease:
        held = lease.snapshot.segments_of("spans")
        assert {segment.has_distances for segment in held} == {False, True}
    sent = contents(store, [*IDS, *later])
    for _ in range(3):
        store.tick()
    with store.lease() as lease:
        (whole,) = lease.snapshot.segments_of("spans")
        assert whole.has_distances
    assert contents(store, [*IDS, *later]) == sent
    store.close()


def test_a_store_of_an_earlier_version_can_be_read_without_changing_it(tmp_path: Path) -> None:
    path = left_by_an_earlier_version(tmp_path)
    before = {p.name: p.read_bytes() for p in path.glob("*.sqlite")}
    store = DuckDBStore.open_read_only(StoreSettings(path), ManualClock(START))
    assert set(contents(store, IDS)) == set(IDS)
    store.close()
    assert {p.name: p.read_bytes() for p in path.glob("*.sqlite")} == before


@pytest.mark.full
def test_a_kill_in_the_middle_of_the_upgrade_leaves_the_old_store(tmp_path: Path) -> None:
    """The upgrade is one transaction: whatever of its log reached the disk, the next start has
    the one or the other manifest."""
    path = left_by_an_earlier_version(tmp_path / "old")
    manifest = path / "manifest.sqlite"
    with closing(sqlite3.connect(manifest)) as reader:
        reader.execute("BEGIN").execute("SELECT * FROM meta").fetchone()
        opened(path).close()
        log = (path / "manifest.sqlite-wal").read_bytes()
        half = tmp_path / "half"
        left_by_an_earlier_version(half)
        shutil.copy(manifest, half / "manifest.sqlite")
    assert log, "the reader keeps the log"
    for size in range(0, min(len(log), 40_000), 8_240):
        copy = tmp_path / f"cut-{size}"
        shutil.copytree(half, copy)
        (copy / "manifest.sqlite-wal").write_bytes(log[:size])
        store = opened(copy)
        assert set(contents(store, IDS)) == set(IDS)
        assert store.status().losses == {}
        store.close()


def test_a_store_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = left_by_an_earlier_version(tmp_path)
    with closing(sqlite3.connect(path / "manifest.sqlite")) as manifest, manifest:
        manifest.execute("UPDATE meta SET value = 3 WHERE key = 'schema_version'")
    before = sorted((p.name, p.stat().st_size) for p in path.glob("*/*"))
    with pytest.raises(ManifestVersionMismatch, match=r"version 3, .* nothing was changed"):
        opened(path)
    assert sorted((p.name, p.stat().st_size) for p in path.glob("*/*")) == before
