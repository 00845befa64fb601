from __future__ import annotations

import os
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.storage.journal.free_space import FreeSpaceGuard
from longpole.storage.receipt import StorageUnavailable


class Disk:
    """A file system with as many free bytes as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free_bytes = 1000
        self.questions = 0
        real = os.statvfs(".")

        def statvfs(_: Path) -> os.statvfs_result:
            self.questions += 1
            return os.statvfs_result((1, 1, *real[2:4], self.free_bytes, *real[5:]))

        monkeypatch.setattr(os, "statvfs", statvfs)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_own_writes_are_counted_between_two_looks(disk: Disk, tmp_path: Path) -> None:
    guard = FreeSpaceGuard(tmp_path, min_free_bytes=400, clock=ManualClock())
    guard.spend(500)
    guard.spend(100)
    with pytest.raises(StorageUnavailable):
        guard.spend(1)
    assert disk.questions == 1


def test_space_given_back_is_seen_within_100_ms(disk: Disk, tmp_path: Path) -> None:
    clock = ManualClock()
    guard = FreeSpaceGuard(tmp_path, min_free_bytes=400, clock=clock)
    disk.free_bytes = 300
    with pytest.raises(StorageUnavailable):
        guard.spend(1)
    disk.free_bytes = 10_000
    with pytest.raises(StorageUnavailable):
        guard.spend(1)
    clock.advance(0.1)
    guard.spend(9_000)
