"""Who compiles for a server that was killed does not go on compiling."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

COMPILES = (
    "import time; from longpole.model.readiness import step_back; step_back(); "
    "print('up', flush=True); time.sleep(300)"
)
SERVES = (
    "import subprocess, sys; "
    f"child = subprocess.Popen([sys.executable, '-c', {COMPILES!r}], stdout=subprocess.PIPE); "
    "child.stdout.readline(); print(child.pid, flush=True); child.wait()"
)


@pytest.mark.skipif(sys.platform != "linux", reason="the system has to tell of the end")
def test_a_compiling_process_ends_with_its_server() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVES], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        compiling = int(server.stdout.readline())
        assert is_running(compiling)
        server.kill()
    deadline = time.monotonic() + 60
    while is_running(compiling):
        assert time.monotonic() < deadline, "it goes on compiling"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether it is neither gone nor waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
