"""A real `longpole serve` in a process of its own, for tests at the level a user touches."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx

STARTING_SECONDS = 120.0
READY = re.compile(r"^ready grpc=(\S+) http=(\S+) web=(\S+)$")
T = TypeVar("T")


class ServerProcess:
    """Starts the server on free ports; `ready_seconds` is how long it took to say so."""

    def __init__(self, data_dir: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir
        command = [
            sys.executable, "-m", "longpole.cli", "serve", "--data-dir", str(data_dir),
            "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0",
            *arguments,
        ]  # fmt: skip
        started = time.monotonic()
        self.log: list[str] = []
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
        )
        self._reader = threading.Thread(target=self._collect_log, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.ready_seconds = time.monotonic() - started
        match = READY.match(line.strip())
        if match is None:
            self.kill()
            raise AssertionError(f"no ready line but {line!r}; log:\n{self.log_text}")
        self.grpc, self.http, self.web = match.groups()

    def _collect_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)

    @property
    def log_text(self) -> str:
        """Everything the server wrote to standard error so far."""
        return "".join(self.log)

    def get(self, path: str, **parameters: Any) -> Any:
        """JSON of `GET path` on the web port; raises for an error status. On a busy machine the
        pages may load for longer than a request is held: then it asks again, as told."""

        def answered() -> httpx.Response | None:
            answer = httpx.get(f"http://{self.web}{path}", params=parameters, timeout=30)
            is_starting = answer.status_code == 503 and '"starting"' in answer.text
            return None if is_starting else answer

        answer = eventually(answered, STARTING_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def sql(self, text: str) -> list[list[Any]]:
        """The rows of a query."""
        answer = httpx.post(f"http://{self.web}/api/v1/sql", json={"sql": text}, timeout=60)
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["rows"]
        return rows

    def stop(self, timeout_seconds: float = 30) -> int:
        """SIGTERM, then the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_seconds)
        self._close_pipes()
        return code

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._close_pipes()

    def _close_pipes(self) -> None:
        self._reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def running(data_dir: Path, *arguments: str) -> Iterator[ServerProcess]:
    """A server that is stopped (and killed if it will not) at the end."""
    server = ServerProcess(data_dir, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            try:
                server.stop()
            except subprocess.TimeoutExpired:
                server.kill()


def eventually(question: Callable[[], T | None], seconds: float = 10.0) -> T:
    """The first answer that is neither None nor False; AssertionError at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came within {seconds} s")
        time.sleep(0.02)
