"""Of several processes that miss the same compiled loop, one makes it; nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from longpole.model.compile_lock import NAME, only_here

HOLDS = (
    "import fcntl, signal, sys; file = open(sys.argv[1], 'ab'); fcntl.flock(file, fcntl.LOCK_EX); "
    "print('held', flush=True); signal.pause()"
)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock."""
    command = [sys.executable, "-S", "-c", HOLDS, str(tmp_path / NAME)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_that_another_process_holds_is_waited_for_until_patience_ends(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with only_here(str(tmp_path), patience_seconds=0.1) as is_held:
        assert not is_held


def test_a_stop_ends_the_waiting(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with only_here(str(tmp_path), lambda: True) as is_held:
        assert not is_held


def test_a_holder_that_is_killed_gives_the_lock_back(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    threading.Timer(0.1, holder.kill).start()
    with only_here(str(tmp_path)) as is_held:
        assert is_held


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with only_here(str(tmp_path / "made" / "then"), patience_seconds=0.0) as is_held:
            assert is_held


def test_without_a_folder_to_lock_one_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for folder in (None, str(file)):
        with only_here(folder) as is_held:
            assert not is_held
