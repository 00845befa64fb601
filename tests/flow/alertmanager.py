"""A real Alertmanager, started for a test."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.flow.server_process import eventually

PROGRAM = Path(__file__).parents[2] / ".tools/prometheus/usr/bin/prometheus-alertmanager"
READY_SECONDS = 30.0
# Debian's build reads its templates from there, where an unpacked package has nothing.
BUILT_IN = b"/usr/share/prometheus/alertmanager"
TEMPLATES = Path(__file__).parents[2] / ".tools/prometheus/usr/share/prometheus/alertmanager"


class Alertmanager:
    """One running Alertmanager."""

    def __init__(self, url: str) -> None:
        self.url = url

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def alerts(self) -> list[dict[str, Any]]:
        """What it shows: alerts that are active."""
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/api/v2/alerts", timeout=10).json()
        return found


@contextmanager
def running(folder: Path) -> Iterator[Alertmanager]:
    """One without receivers that do anything."""
    settings = folder / "alertmanager.yml"
    settings.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    # The same path in length, but from the working directory on.
    program = folder / "alertmanager-here"
    program.write_bytes(PROGRAM.read_bytes().replace(BUILT_IN, b"./" * (len(BUILT_IN) // 2)))
    program.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={settings}", f"--storage.path={folder}/alertmanager",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=log, stderr=subprocess.STDOUT, cwd=TEMPLATES,
        )  # fmt: skip
    manager = Alertmanager(f"http://127.0.0.1:{port}")
    try:
        eventually(manager.is_ready, READY_SECONDS)
        yield manager
    finally:
        process.terminate()
        process.wait(20)
