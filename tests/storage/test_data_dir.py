from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from longpole.storage.data_dir import DataDir, DataDirLocked, DataDirRefused, LockInfo

ADDRESSES = {"grpc": "127.0.0.1:1", "http": "127.0.0.1:2", "web": "127.0.0.1:3"}
OWNER = """
import sys
from pathlib import Path
from longpole.storage.data_dir import DataDir
DataDir(Path(sys.argv[1])).lock({"grpc": "127.0.0.1:1"})
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_new_directory_has_the_layout_and_is_private(tmp_path: Path) -> None:
    place = DataDir(tmp_path / "deep" / "data")
    assert not place.exists
    place.lock(ADDRESSES)
    try:
        assert {p.name for p in place.path.iterdir()} == {
            "lock", "journal", "segments", "quarantine", "tmp", "views",
        }  # fmt: skip
        parts = (place.journal, place.segments, place.quarantine, place.tmp, place.views)
        for path in (place.path, *parts):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.lock_path.stat().st_mode) == 0o600
        assert place.exists
    finally:
        place.unlock()


def test_the_lock_names_its_owner_until_it_is_given_back(tmp_path: Path) -> None:
    place = DataDir(tmp_path)
    assert DataDir(tmp_path).read_lock() is None
    place.lock({})
    assert DataDir(tmp_path).read_lock() == LockInfo(os.getpid(), {})
    place.publish(ADDRESSES)
    assert DataDir(tmp_path).read_lock() == LockInfo(os.getpid(), ADDRESSES)
    place.publish({"web": "x"})
    assert DataDir(tmp_path).read_lock() == LockInfo(os.getpid(), {"web": "x"})
    place.unlock()
    place.unlock()
    assert DataDir(tmp_path).read_lock() is None
    with pytest.raises(ValueError, match="not locked"):
        place.publish({})


def test_a_second_owner_is_refused_with_pid_and_addresses(tmp_path: Path) -> None:
    first = DataDir(tmp_path)
    first.lock(ADDRESSES)
    try:
        for second in (DataDir(tmp_path), first):
            with pytest.raises(DataDirLocked) as raised:
                second.lock({})
            assert raised.value.pid == os.getpid()
            assert raised.value.addresses == ADDRESSES
            assert str(os.getpid()) in str(raised.value)
            assert "127.0.0.1:3" in str(raised.value)
    finally:
        first.unlock()
    second = DataDir(tmp_path)
    second.lock({})
    second.unlock()


def test_a_killed_owner_is_no_obstacle(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "locked\n"
        place = DataDir(tmp_path)
        with pytest.raises(DataDirLocked, match=str(owner.pid)):
            place.lock({})
        assert place.read_lock() == LockInfo(owner.pid, {"grpc": "127.0.0.1:1"})
        owner.send_signal(signal.SIGKILL)
        owner.wait(20)
    assert str(owner.pid) in place.lock_path.read_text(), "the file is still there"
    assert place.read_lock() is None
    place.lock({})
    place.unlock()


def test_asking_who_owns_it_never_keeps_an_owner_out(tmp_path: Path) -> None:
    place = DataDir(tmp_path)
    place.create()
    place.lock_path.touch()
    is_done = threading.Event()

    def ask() -> None:
        while not is_done.is_set():
            DataDir(tmp_path).read_lock()

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(30):
            place.lock(ADDRESSES)
            place.unlock()
    finally:
        is_done.set()
        asker.join(20)


@pytest.mark.parametrize("name", ["journal", "segments", "quarantine", "tmp"])
def test_a_file_where_a_directory_belongs_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DataDirRefused, match=f"{name} should be a directory"):
        DataDir(tmp_path).lock({})
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing was changed"


@pytest.mark.parametrize("name", ["lock", "manifest.sqlite"])
def test_a_directory_where_a_file_belongs_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DataDirRefused, match="should be a file"):
        DataDir(tmp_path).lock({})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(DataDirRefused, match="not a directory"):
        DataDir(tmp_path / "data").lock({})
    with pytest.raises(DataDirRefused, match="cannot be used"):
        DataDir(tmp_path / "data" / "below").lock({})
    assert DataDir(tmp_path / "data").read_lock() is None


def test_a_directory_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests may run as root, whom modes do not stop; what is tested is the answer to "no".
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(DataDirRefused, match="Permission denied"):
        DataDir(tmp_path).lock({})


def test_files_of_others_in_the_directory_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    place = DataDir(tmp_path)
    place.lock({})
    place.unlock()
    assert (tmp_path / "notes.txt").read_text() == "mine"
