"""A server under load has its traces explained by a second process, and no end leaves it behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.flow.server_process import ServerProcess, eventually, running

pytestmark = pytest.mark.full
COMPILED = re.compile(r'^longpole_compiled_code_ready\{task="\w+"\} (\S+)$', re.MULTILINE)
WORKER = "longpole.analyzer.settle_worker"
COMPILED_SECONDS = 300.0


def workers_of(server: ServerProcess) -> list[int]:
    """The processes for settling that this server started."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().decode()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except (OSError, ValueError):
            continue
        if WORKER in command and int(parent) == server.process.pid:
            found.append(int(folder.name))
    return found


def send(server: ServerProcess, seconds: int) -> None:
    """Spans by the ten thousand."""
    subprocess.run(
        [sys.executable, "-m", "longpole.cli", "loadgen", "--endpoint", server.grpc,
         "--rate", "8000", "--duration", f"{seconds}s"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def worked(server: ServerProcess) -> int:
    """The process that explains, once there is one."""

    def seen() -> int | None:
        send(server, 3)
        found = workers_of(server)
        return found[0] if found else None

    return eventually(seen, COMPILED_SECONDS)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]


def is_compiled(server: ServerProcess) -> bool:
    answer = httpx.get(f"http://{server.web}/metrics", timeout=30)
    states = COMPILED.findall(answer.text)
    return bool(states) and all(float(state) for state in states)


def is_settled(server: ServerProcess) -> bool:
    return not server.get("/api/v1/status")["pending_traces"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_the_end_of_the_server_is_its_end(tmp_path: Path, how: signal.Signals) -> None:
    server = ServerProcess(tmp_path / "data", "--settle-after", "0.5")
    try:
        pid = worked(server)
        if how is signal.SIGTERM:
            assert server.stop() == 0
    finally:
        server.kill()
    eventually(lambda: is_gone(pid), 30)


def test_its_own_end_leaves_every_trace_explained(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--settle-after", "0.5") as server:
        os.kill(worked(server), signal.SIGKILL)
        send(server, 3)
        eventually(lambda: is_settled(server), 60)
        ((traces, settled),) = server.sql(
            "SELECT (SELECT count(DISTINCT trace_id) FROM spans), (SELECT count(*) FROM traces)"
        )
        assert traces == settled > 0
        assert "is gone" in server.log_text


def test_a_server_that_is_told_so_has_none(tmp_path: Path) -> None:
    flags = ("--settle-after", "0.5", "--settle-in-server", "--log-level", "debug")
    with running(tmp_path / "data", *flags) as server:
        eventually(lambda: is_compiled(server), COMPILED_SECONDS)
        send(server, 5)
        assert not workers_of(server)
        eventually(lambda: is_settled(server), 60)
        assert "a process of their own" not in server.log_text
