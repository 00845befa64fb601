"""A server under load, in a process of its own, and what it costs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

_READY = re.compile(r"^ready grpc=(\S+) http=(\S+) web=(\S+)$")
_COMPILED = re.compile(r'^longpole_compiled_code_ready\{task="\w+"\} (\S+)$', re.MULTILINE)
_COMPILE_SECONDS = 600.0


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
        """Processor time so far, of all threads, by user and system."""
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
        """Drain and seal; the most memory that it ever had, in bytes."""
        self.process.send_signal(signal.SIGTERM)
        _, _, used = os.wait4(self.process.pid, 0)
        return used.ru_maxrss * 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of a process of this machine, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: int) -> int:
    """The most memory that it ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/{pid}/status names no VmHWM")
