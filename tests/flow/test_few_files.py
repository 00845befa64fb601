"""F-FD: a server that may open no more files refuses, does not spin, and recovers."""

from __future__ import annotations

import random
import resource
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually

SPARE, CONNECTIONS = 20, 200
BUSY_SHARE = 0.5  # of one core; a loop that spins takes all of it


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("port", ["http", "grpc"])
def test_without_file_handles_a_server_waits_and_recovers(tmp_path: Path, port: str) -> None:
    server = ServerProcess(tmp_path)
    try:
        eventually(lambda: server.get("/api/v1/status")["is_replayed"])
        process = psutil.Process(server.process.pid)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        few = process.num_fds() + SPARE
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (few, hard))
        host, number = getattr(server, port).rsplit(":", 1)
        with ExitStack() as stack:
            for _ in range(CONNECTIONS):
                # The kernel takes them; the server cannot.
                stack.enter_context(socket.create_connection((host, int(number)), timeout=10))
            # A server that has just started is busy with its own for a while; spinning never ends.
            eventually(lambda: busy_share(process, seconds=3.0) < BUSY_SHARE, 60)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        body, ids = batch(random.Random(5))

        def is_taken() -> bool:
            with suppress(httpx.TransportError):
                answer = httpx.post(
                    f"http://{server.http}/v1/traces", content=body, headers=HEADERS, timeout=10
                )
                return answer.status_code == 200
            return False

        eventually(is_taken, 60)
        assert server.sql("SELECT count(*) FROM spans") == [[len(ids)]]
        assert server.stop() == 0
    finally:
        server.kill()


def busy_share(process: psutil.Process, seconds: float) -> float:
    """How much of one core it takes over a while, which is the measurement itself."""
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / seconds
