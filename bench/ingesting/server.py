"""A server under load, in a process of its own, and what it costs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

_READY = re.compile(r"^ready grpc=(\S+) http=(\S+) web=(\S+)$")
_COMPILED = re.compile(r'^longpole_compiled_code_ready\{task="\w+"\} (\S+)$', re.MULTILINE)
_COMPILE_SECONDS = 600.0
_LOOK_SECONDS = 0.5


class ServerUnderLoad:
    """`longpole serve` on free ports of this machine."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Returns when data is accepted."""
        self.folder = folder
        command = [
            sys.executable, "-m", "longpole.cli", "serve", "--data-dir", str(folder),
            "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0",
            "--log-level", "warning", *arguments,
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = _READY.match(self.process.stdout.readline().strip())
        if found is None:
            raise SystemExit("the server did not start; see above")
        self.grpc, self.http, self.web = found.groups()
        self._most_bytes = 0
        self._is_over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def wait_for_compiled_code(self) -> bool:
        """Until requests are decoded by compiled loops; False where that is not to be had."""
        end = time.monotonic() + _COMPILE_SECONDS
        while time.monotonic() < end:
            answer = httpx.get(f"http://{self.web}/metrics", timeout=60, trust_env=False)
            states = _COMPILED.findall(answer.text)
            if states and all(float(state) for state in states):
                return True
            time.sleep(0.25)
        return False

    def status(self) -> dict[str, Any]:
        """What `longpole status --json` says."""
        answer = httpx.get(f"http://{self.web}/api/v1/status", timeout=60, trust_env=False)
        answer.raise_for_status()
        return dict(answer.json())

    def cpu_seconds(self) -> float:
        """Processor time so far, of all its processes, by user and system."""
        return cpu_seconds(self.process.pid)

    def wait_until_settled(self, seconds: float) -> bool:
        """Until no trace is waiting for its analysis; False after so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.status()["pending_traces"]:
                return True
            time.sleep(0.25)
        return False

    def stop(self) -> int:
        """Drain and seal; the most memory that it and its processes had at a time, in bytes."""
        self.process.send_signal(signal.SIGTERM)
        _, _, used = os.wait4(self.process.pid, 0)
        self._is_over.set()
        self._looking.join()
        return max(self._most_bytes, used.ru_maxrss * 1024)

    def rss_bytes(self) -> int:
        """The memory that it and its processes have now; a page that they share counts once."""
        return (
            sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in family(self.process.pid)) * 1024
        )

    def most_bytes(self) -> int:
        """The most so far, as seen several times a second."""
        return self._most_bytes

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            self._most_bytes = max(self._most_bytes, self.rss_bytes())


def family(pid: int) -> Iterator[int]:
    """A process of this machine and those that it started, if they are there."""
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            fields = _stat(int(folder.name))
            below.setdefault(int(fields[1]) if fields else 0, []).append(int(folder.name))
    found = [pid]
    for one in found:
        yield one
        found.extend(below.get(one, ()))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process of this machine and of those that it started, ended ones, too."""
    ticks = sum(int(field) for one in family(pid) for field in _stat(one)[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    """The most memory that one process ever had."""
    return _kilobytes(pid, "status", "VmHWM:") * 1024


def _stat(pid: int) -> list[str]:
    """The fields of its `stat` from the state on; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _kilobytes(pid: int, file: str, name: str) -> int:
    """A line of a file of its `/proc`; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
