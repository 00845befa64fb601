"""The supervisor: crashed children come back, and none outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.shop.runtime.children_of import line_of, lives, started, until

TINY_SHOP = str(Path(__file__).with_name("tiny_shop.py"))


@dataclass(frozen=True)
class Running:
    """A tiny shop that is ready."""

    process: subprocess.Popen[str]
    pids: dict[str, int]
    url: str


@contextmanager
def tiny_shop(folder: Path, *programs: str) -> Iterator[Running]:
    with started([TINY_SHOP, str(folder), *programs]) as process:
        told = json.loads(line_of(process))
        try:
            yield Running(process, told["pids"], told["url"])
        finally:
            for pid in told["pids"].values():
                if lives(pid):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with tiny_shop(tmp_path, "web", "calm") as shop:
        shop.process.send_signal(number)

        assert shop.process.wait(10) == 0
        assert not any(map(lives, shop.pids.values()))
        with pytest.raises(httpx.ConnectError):
            httpx.get(shop.url, trust_env=False)


def test_who_does_not_stop_is_killed(tmp_path: Path) -> None:
    with tiny_shop(tmp_path, "stubborn") as shop:
        shop.process.terminate()

        assert shop.process.wait(10) == 0
        assert not lives(shop.pids["stubborn"])


def test_killing_the_parent_ends_the_children(tmp_path: Path) -> None:
    with tiny_shop(tmp_path, "web", "calm") as shop:
        shop.process.kill()
        shop.process.wait()

        until(lambda: not any(map(lives, shop.pids.values())), "the children ended", 10)
        with pytest.raises(httpx.ConnectError):
            httpx.get(shop.url, trust_env=False)


def test_the_death_of_its_own_parent_ends_the_shop(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, *sys.argv[1:]]); print(p.pid, flush=True); p.wait()"
    )
    with started(["-c", starter, TINY_SHOP, str(tmp_path), "calm"]) as process:
        shop = int(line_of(process))
        told = json.loads(line_of(process))
        process.kill()
        process.wait()

        until(lambda: not lives(shop), "the shop ended", 10)
        assert not lives(told["pids"]["calm"])


def test_a_crashed_child_comes_back_at_the_same_address(tmp_path: Path) -> None:
    with tiny_shop(tmp_path, "web", "calm") as shop:
        os.kill(shop.pids["web"], signal.SIGKILL)

        # The socket is the parent's: this request waits for the next child instead of failing.
        assert httpx.get(shop.url, timeout=10, trust_env=False).json() == "here"
        children = {child.pid for child in psutil.Process(shop.process.pid).children()}
        assert shop.pids["calm"] in children
        assert shop.pids["web"] not in children
        shop.process.terminate()
        assert json.loads(line_of(shop.process)) == {"web": 1}


def test_what_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    with started([TINY_SHOP, str(tmp_path), "calm", "broken"]) as process:
        words = json.loads(line_of(process))

        assert process.wait(10) == 1
        assert words.startswith("broken ended before it was ready")
        assert "the disk is on fire" in words


def test_a_process_with_threads_is_not_forked(tmp_path: Path) -> None:
    script = (
        "import sys, threading; from pathlib import Path; from shop.children import Nursery\n"
        "stop = threading.Event(); threading.Thread(target=stop.wait).start()\n"
        "try: Nursery(Path(sys.argv[1])).fork('x', lambda held: print)\n"
        "except RuntimeError as error: print(error)\n"
        "finally: stop.set()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=20
    )

    assert done.stdout == "a process with threads cannot be forked safely\n"
