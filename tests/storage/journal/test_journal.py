from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.journal import Journal, read_frames
from longpole.storage.receipt import Overloaded, Receipt, StorageUnavailable
from tests.storage.journal.filling import ANSWER_SECONDS, bodies, opened, put, put_now, settings

NOW = ManualClock().now_unix_nano()
SECOND = 1_000_000_000


def test_what_was_acknowledged_reads_back_as_it_was_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        receipts = [
            journal.append(signal, body, NOW + at, has_time, lambda _: None)
            for at, (signal, body, has_time) in enumerate(
                [
                    (Signal.TRACES, b"spans", True),
                    (Signal.LOGS, b"", False),
                    (Signal.METRICS, bytes(range(256)) * 999, True),
                ]
            )
        ]
        assert [r.result(ANSWER_SECONDS) for r in receipts] == [Receipt(1), Receipt(2), Receipt(3)]
        live = list(journal.frames(0))
    with opened(tmp_path) as journal:
        assert list(journal.frames(0)) == live
        assert journal.problems() == ()
    assert [(f.sequence_number, f.signal, f.body, f.arrival_unix_nano, f.has_time) for f in live] \
        == [
            (1, Signal.TRACES, b"spans", NOW, True),
            (2, Signal.LOGS, b"", NOW + 1, False),
            (3, Signal.METRICS, bytes(range(256)) * 999, NOW + 2, True),
        ]  # fmt: skip


def test_numbers_go_on_after_a_restart_and_after_what_is_sealed(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        assert put_now(journal, b"a").sequence_number == 1
    with opened(tmp_path) as journal:
        assert journal.last_sequence == journal.opened_through == 1
        assert put_now(journal, b"b").sequence_number == 2
        assert journal.opened_through == 1
        journal.release(2)
    with opened(tmp_path, sealed_through=2) as journal:
        assert journal.last_sequence == 2
        assert put_now(journal, b"c").sequence_number == 3
        assert bodies(journal.frames(2)) == [b"c"]


def test_frames_come_within_the_bounds_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path, max_file_bytes=150) as journal:
        for at in range(10):
            put_now(journal, b"%d" % at)
        assert bodies(journal.frames(3, 6)) == [b"3", b"4", b"5"]
        assert bodies(journal.frames(9)) == [b"9"]
        assert bodies(journal.frames(10)) == []


def test_rows_are_handed_over_in_order_before_the_receipt(tmp_path: Path) -> None:
    handed: list[int] = []
    seen: list[bool] = []
    futures: list[Future[Receipt]] = []
    with opened(tmp_path) as journal:
        for at in range(200):
            future = journal.append(Signal.TRACES, b"%d" % at, NOW, True, handed.append)
            future.add_done_callback(lambda f: seen.append(f.result().sequence_number in handed))
            futures.append(future)
        for future in futures:
            future.result(ANSWER_SECONDS)
    assert handed == list(range(1, 201))
    assert seen == [True] * 200


def test_a_failing_hand_over_is_noted_and_still_acknowledged(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("hot store is upset")

    with opened(tmp_path) as journal:
        first = journal.append(Signal.TRACES, b"a", NOW, True, fail)
        assert first.result(ANSWER_SECONDS) == Receipt(1)
        assert put_now(journal, b"b") == Receipt(2)
        assert [p.code for p in journal.problems()] == ["journal_hand_over_failed"]
        assert "hot store is upset" in journal.problems()[0].message
        assert bodies(journal.frames(0)) == [b"a", b"b"]


def test_an_equal_request_within_the_window_is_a_repeat(tmp_path: Path) -> None:
    with opened(tmp_path, dedup_window_seconds=900) as journal:
        assert put_now(journal, b"a", NOW) == Receipt(1)
        assert put_now(journal, b"a", NOW + 900 * SECOND) == Receipt(1, is_repeat=True)
        assert put_now(journal, b"a", NOW - 900 * SECOND) == Receipt(1, is_repeat=True)
        assert put_now(journal, b"a", NOW + 901 * SECOND) == Receipt(2)
        assert put_now(journal, b"a", NOW + 1700 * SECOND) == Receipt(2, is_repeat=True)
        assert journal.repeated_requests == 3
        assert bodies(journal.frames(0)) == [b"a", b"a"]
        logs = put(journal, b"a", NOW, Signal.LOGS).result(ANSWER_SECONDS)
        assert logs == Receipt(3), "the signal is part of the request"


def test_requests_without_a_time_are_never_repeats(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        assert put_now(journal, b"a", has_time=False) == Receipt(1)
        assert put_now(journal, b"a", has_time=False) == Receipt(2)
    with opened(tmp_path) as journal:
        assert bodies(journal.frames(0)) == [b"a", b"a"]
        assert put_now(journal, b"a", has_time=False) == Receipt(3)
        assert journal.repeated_requests == 0


def test_repeats_are_known_after_a_restart_from_unsealed_frames(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        put_now(journal, b"a")
    with opened(tmp_path) as journal:
        assert put_now(journal, b"a") == Receipt(1, is_repeat=True)


def test_repeats_are_known_after_a_restart_from_the_manifest(tmp_path: Path) -> None:
    clock = ManualClock()
    with opened(tmp_path, clock) as journal:
        put_now(journal, b"old", clock.now_unix_nano())
        clock.advance(600)
        put_now(journal, b"new", clock.now_unix_nano())
        journal.release(2)
        assert [entry[1] for entry in journal.recent_hashes()] == [1, 2]
        clock.advance(400)
        hashes = journal.recent_hashes()
        assert [entry[1] for entry in hashes] == [2], "the first has left the window"
    assert not list((tmp_path / "journal").iterdir())
    with opened(tmp_path, clock, sealed_through=2, known_hashes=hashes) as journal:
        assert put_now(journal, b"new", clock.now_unix_nano()) == Receipt(2, is_repeat=True)
        assert put_now(journal, b"old", clock.now_unix_nano()) == Receipt(3)


def test_a_full_window_forgets_the_oldest_and_says_so(tmp_path: Path) -> None:
    with opened(tmp_path, max_known_requests=2) as journal:
        for body in (b"a", b"b", b"c"):
            put_now(journal, body)
        assert put_now(journal, b"c").is_repeat
        assert not put_now(journal, b"a").is_repeat
        assert [p.code for p in journal.problems()] == ["journal_window_full"]


def test_repeats_of_a_request_on_its_way_share_its_outcome(tmp_path: Path) -> None:
    is_writing, may_go_on = threading.Event(), threading.Event()

    def block(_: int) -> None:
        is_writing.set()
        assert may_go_on.wait(ANSWER_SECONDS)

    with opened(tmp_path) as journal:
        journal.append(Signal.TRACES, b"first", NOW, True, block)
        assert is_writing.wait(ANSWER_SECONDS)
        queued = [put(journal, b"same") for _ in range(5)]
        assert journal.waiting_bytes == 5 + 5 * 4
        assert not any(future.done() for future in queued)
        may_go_on.set()
        assert [f.result(ANSWER_SECONDS) for f in queued] == [
            Receipt(2), *[Receipt(2, is_repeat=True)] * 4,
        ]  # fmt: skip
        assert journal.repeated_requests == 4
        assert journal.waiting_bytes == 0
        assert bodies(journal.frames(0)) == [b"first", b"same"]


def test_too_much_waiting_is_refused_as_overload(tmp_path: Path) -> None:
    is_writing, may_go_on = threading.Event(), threading.Event()

    def block(_: int) -> None:
        is_writing.set()
        assert may_go_on.wait(ANSWER_SECONDS)

    with opened(tmp_path, max_waiting_bytes=100) as journal:
        lone = journal.append(Signal.TRACES, bytes(200), NOW, True, block)
        assert is_writing.wait(ANSWER_SECONDS), "a request alone always passes"
        refused = put(journal, b"x")
        with pytest.raises(Overloaded) as raised:
            refused.result(ANSWER_SECONDS)
        assert raised.value.retry_after_seconds == 1
        may_go_on.set()
        lone.result(ANSWER_SECONDS)
        assert put_now(journal, b"x") == Receipt(2)


def test_a_nearly_full_disk_is_refused_before_it_is_full(tmp_path: Path) -> None:
    clock = ManualClock()
    with opened(tmp_path, clock, min_free_bytes=1 << 60) as journal:
        with pytest.raises(StorageUnavailable, match="Free some space"):
            put_now(journal, b"x")
        assert journal.byte_count == 0
        assert not list((tmp_path / "journal").iterdir())


def test_files_are_rotated_and_given_back_when_sealed(tmp_path: Path) -> None:
    with opened(tmp_path, max_file_bytes=2 * (64 + 4)) as journal:
        for at in range(5):
            put_now(journal, b"%04d" % at)
        names = sorted(path.name for path in (tmp_path / "journal").iterdir())
        assert names == [f"{first:020d}.journal" for first in (1, 3, 5)]
        assert journal.byte_count == 5 * (64 + 4)
        journal.release(3)
        assert bodies(journal.frames(0)) == [b"0002", b"0003", b"0004"], "only whole files go"
        journal.release(5)
        assert journal.byte_count == 0
        assert not list((tmp_path / "journal").iterdir()), "the newest file too"
        assert put_now(journal, b"next") == Receipt(6)
        assert bodies(journal.frames(5)) == [b"next"]


def test_old_files_are_never_written_to(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        put_now(journal, b"a")
    (old,) = (tmp_path / "journal").iterdir()
    content = old.read_bytes()
    with opened(tmp_path) as journal:
        put_now(journal, b"b")
    assert old.read_bytes() == content


def test_restarts_without_data_leave_no_files(tmp_path: Path) -> None:
    for _ in range(3):
        with opened(tmp_path):
            pass
    assert not list((tmp_path / "journal").iterdir())


def test_closing_finishes_what_waits_and_refuses_the_rest(tmp_path: Path) -> None:
    journal = Journal(settings(tmp_path), ManualClock(), sealed_through=0, known_hashes=[])
    journal.open()
    futures = [put(journal, b"%d" % at) for at in range(500)]
    journal.close()
    journal.close()
    assert [f.result(0).sequence_number for f in futures] == list(range(1, 501))
    with pytest.raises(StorageUnavailable, match="closed"):
        put(journal, b"late").result(0)
    assert "journal" not in {thread.name for thread in threading.enumerate()}


def test_sixty_four_threads_lose_nothing_and_share_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    real = os.fdatasync

    def sync(fd: int) -> None:
        syncs.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", sync)
    receipts: dict[bytes, int] = {}

    with opened(tmp_path, max_file_bytes=20_000) as journal:

        def send(sender: int) -> None:
            for at in range(50):
                body = b"%d/%d" % (sender, at)
                receipts[body] = put_now(journal, body).sequence_number

        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(receipts) == 3200
    assert len(syncs) < 3200, "requests that wait together are made durable together"
    with opened(tmp_path) as journal:
        assert {f.body: f.sequence_number for f in journal.frames(0)} == receipts


def test_another_process_reads_while_a_server_writes(tmp_path: Path) -> None:
    with opened(tmp_path, max_file_bytes=1000) as journal:
        for at in range(30):
            put_now(journal, b"%d" % at)
        reading = read_frames(tmp_path / "journal", 10)
        assert bodies(reading) == [b"%d" % at for at in range(10, 30)]
        assert reading.problems == []
        put_now(journal, b"30")
        assert bodies(read_frames(tmp_path / "journal", 29)) == [b"29", b"30"]


def test_a_file_released_under_a_reader_tells_it_to_ask_again(tmp_path: Path) -> None:
    with opened(tmp_path, max_file_bytes=100) as journal:
        for at in range(5):
            put_now(journal, b"%d" % at)
        frames = iter(read_frames(tmp_path / "journal", 0))
        next(frames)
        journal.release(5)
        with pytest.raises(FileNotFoundError):
            list(frames)


def test_reading_a_journal_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert list(read_frames(tmp_path / "journal", 0)) == []


def test_the_journal_starts_without_heavy_imports() -> None:
    script = (
        "import sys, longpole.storage.journal, longpole.storage.data_dir;"
        "print(sorted({'duckdb', 'pyarrow', 'numpy', 'grpc'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_file_that_cannot_be_deleted_is_reported_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with opened(tmp_path) as journal:
        put_now(journal, b"a")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            journal.release(1)
        assert [p.code for p in journal.problems()] == ["journal_release_failed"]
        assert journal.byte_count > 0
        journal.release(1)
        assert journal.byte_count == 0
        assert not list((tmp_path / "journal").iterdir())
