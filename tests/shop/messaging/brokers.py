"""Brokers for tests: real ones, in processes of their own that can be killed and come back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.flow.tools import requires

_SERVE = """
import sys
from pathlib import Path
import uvicorn
from shop.broker.app import broker_app
uvicorn.run(broker_app(Path(sys.argv[1])), host="127.0.0.1", port=int(sys.argv[2]),
            log_level="warning")
"""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait for a condition; fail with its name when it does not come true."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class ServerProcess:
    """A broker that is a process: always on the same port, over the same files."""

    def __init__(self, url: str, command: list[str], is_up: Callable[[], bool]) -> None:
        self.url = url
        self._command = command
        self._is_up = is_up
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._is_up, f"{self._command[0]} answers", 20.0)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        self._end(signal.SIGTERM)

    def cpu_seconds(self) -> float:
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10.0)
            self._process = None


@contextmanager
def embedded_broker(folder: Path) -> Iterator[ServerProcess]:
    """The embedded broker over a file in this folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.HTTPError:
            return False

    command = [sys.executable, "-c", _SERVE, str(folder / "topics.db"), str(port)]
    server = ServerProcess(url, command, is_up)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def nats_server(folder: Path) -> Iterator[ServerProcess]:
    """A nats-server with JetStream over files in this folder."""
    program = shutil.which("nats-server") or "/usr/sbin/nats-server"
    if not Path(program).exists():
        requires("nats-server")
    port = free_port()

    def is_up() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.5) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False

    command = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    server = ServerProcess(f"nats://127.0.0.1:{port}", command, is_up)
    server.start()
    try:
        yield server
    finally:
        server.kill()
