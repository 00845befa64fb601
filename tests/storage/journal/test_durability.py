from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.journal import Journal
from longpole.storage.receipt import Receipt, StorageUnavailable
from tests.storage.journal.filling import ANSWER_SECONDS, bodies, opened, put, put_now, settings

NOW = 1_700_000_000_000_000_000


class FaultyDisk:
    """Lets calls through, writes down their order, and fails those it is told to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, int]] = []
        self.fails: Callable[[str, int], int] = lambda name, nth: 0
        self.writes_before_failing = 0
        self._counts: dict[str, int] = {}
        for name in ("writev", "fdatasync", "ftruncate"):
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(fd: int, *arguments: Any) -> Any:
            nth = self._counts[name] = self._counts.get(name, 0) + 1
            code = self.fails(name, nth)
            if code:
                if name == "writev" and self.writes_before_failing:
                    real(fd, [b"".join(arguments[0])[: self.writes_before_failing]])
                raise OSError(code, os.strerror(code))
            answer = real(fd, *arguments)
            self.calls.append((name, answer or 0))
            return answer

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    return FaultyDisk(monkeypatch)


def test_every_receipt_comes_after_the_fdatasync_of_its_bytes(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    def written(name: str) -> int:
        return sum(count for call, count in disk.calls if call == name)

    durable_at_receipt: list[tuple[int, int]] = []

    def on_receipt(needed: int) -> Callable[[Future[Receipt]], None]:
        def check(_: Future[Receipt]) -> None:
            last_sync = max(i for i, call in enumerate(disk.calls) if call[0] == "fdatasync")
            durable = sum(n for call, n in disk.calls[:last_sync] if call == "writev")
            durable_at_receipt.append((needed, durable))

        return check

    futures = []
    with opened(tmp_path) as journal:
        needed = 0
        for at in range(300):
            body = bytes(at)
            needed += 64 + len(body)
            future = put(journal, body)
            future.add_done_callback(on_receipt(needed))
            futures.append(future)
        for future in futures:
            future.result(ANSWER_SECONDS)
    assert len(durable_at_receipt) == 300
    assert all(needed <= durable for needed, durable in durable_at_receipt)
    assert written("writev") == needed


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("partial", [0, 30, 100])
@pytest.mark.parametrize("call", ["writev", "fdatasync"])
@pytest.mark.parametrize("can_cut", [True, False])
def test_whichever_call_fails_only_what_is_durable_is_acknowledged(
    tmp_path: Path, disk: FaultyDisk, call: str, partial: int, code: int, can_cut: bool
) -> None:
    disk.writes_before_failing = partial
    for failing in range(1, 13):
        root = tmp_path / str(failing)
        start = dict(disk._counts)

        def fails(name: str, nth: int, start: dict[str, int] = start, at: int = failing) -> int:
            is_due = name == call and nth - start.get(name, 0) == at
            return code if is_due or (name == "ftruncate" and not can_cut) else 0

        disk.fails = fails
        acknowledged: list[bytes] = []
        refused: list[bytes] = []
        with opened(root, max_file_bytes=500) as journal:
            for at in range(12):
                body = b"%d" % at * 40
                try:
                    put_now(journal, body)
                    acknowledged.append(body)
                except StorageUnavailable:
                    refused.append(body)
            assert len(refused) == 1, "exactly the one group failed, later ones are served"
            assert bodies(journal.frames(0)) == acknowledged
            assert [p.code for p in journal.problems()] == ["journal_write_failed"]
        with opened(root, max_file_bytes=500) as journal:
            found = bodies(journal.frames(0))
            assert [body for body in found if body not in refused] == acknowledged
            assert journal.losses() == {}
            if can_cut:
                assert found == acknowledged, "what was refused does not come back"
            receipt = put_now(journal, refused[0])
            # Where the disk would not even cut, it may have come back: then it is a repeat.
            assert receipt.is_repeat == (refused[0] in found)
            assert bodies(journal.frames(0)).count(refused[0]) == 1


def test_a_disk_that_always_fails_is_asked_again_by_each_group(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    disk.fails = lambda name, nth: errno.EIO if name == "fdatasync" else 0
    with opened(tmp_path) as journal:
        for at in range(5):
            with pytest.raises(StorageUnavailable, match="Input/output error"):
                put_now(journal, b"%d" % at)
        assert journal.problems()[0].count == 5
        assert journal.last_sequence == 0
        assert journal.waiting_bytes == 0
        disk.fails = lambda name, nth: 0
        put_now(journal, b"well again")
        assert bodies(journal.frames(0)) == [b"well again"]
    assert len(list((tmp_path / "journal").iterdir())) == 1


def test_a_request_that_came_back_though_refused_counts_once_when_sent_again(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    disk.fails = lambda name, nth: (
        errno.EIO if name == "ftruncate" or (name, nth) == ("fdatasync", 2) else 0
    )
    with opened(tmp_path) as journal:
        put_now(journal, b"a")
        with pytest.raises(StorageUnavailable):
            put_now(journal, b"b")
        assert put_now(journal, b"b") == Receipt(3), "its hash was forgotten"
    with opened(tmp_path) as journal:
        assert bodies(journal.frames(0)) == [b"a", b"b"]
        assert journal.losses() == {}


def test_repeats_are_written_themselves_when_the_first_fails(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    is_writing, may_go_on = threading.Event(), threading.Event()

    def block(_: int) -> None:
        is_writing.set()
        assert may_go_on.wait(ANSWER_SECONDS)

    disk.fails = lambda name, nth: errno.EIO if (name, nth) == ("fdatasync", 2) else 0
    with opened(tmp_path) as journal:
        journal.append(Signal.TRACES, b"first", NOW, True, block)
        assert is_writing.wait(ANSWER_SECONDS)
        same = [put(journal, b"same") for _ in range(3)]
        may_go_on.set()
        with pytest.raises(StorageUnavailable):
            same[0].result(ANSWER_SECONDS)
        heir = same[1].result(ANSWER_SECONDS)
        assert not heir.is_repeat
        assert same[2].result(ANSWER_SECONDS) == Receipt(heir.sequence_number, is_repeat=True)
        assert journal.waiting_bytes == 0
        assert bodies(journal.frames(0)) == [b"first", b"same"]


def test_a_write_cut_short_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, buffers: real(fd, [b"".join(buffers)[:7]]))
    with opened(tmp_path) as journal:
        put_now(journal, b"a body of some length")
        put_now(journal, b"")
    with opened(tmp_path) as journal:
        assert bodies(journal.frames(0)) == [b"a body of some length", b""]


def test_a_directory_that_cannot_be_written_is_refused_until_it_can(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        (tmp_path / "journal").rename(tmp_path / "gone")
        with pytest.raises(StorageUnavailable):
            put_now(journal, b"a")
        (tmp_path / "gone").rename(tmp_path / "journal")
        assert isinstance(put_now(journal, b"a"), Receipt)


def test_unopened_journals_refuse(tmp_path: Path) -> None:
    journal = Journal(settings(tmp_path), ManualClock(), sealed_through=0, known_hashes=[])
    with pytest.raises(StorageUnavailable):
        put_now(journal, b"a")
    journal.close()
