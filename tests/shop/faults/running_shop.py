"""A real Longpole server with the whole shop sending to it, for tests of faults."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.flow.server_process import ServerProcess, eventually

SETTINGS = ("--settle-after", "1.5")


@dataclass(slots=True)
class RunningShop:
    """Addresses of a shop that customers visit, and the store that its telemetry goes to."""

    server: ServerProcess
    process: subprocess.Popen[str]
    gateway: str
    registry: str
    labels_file: Path
    settings: tuple[str, ...] = SETTINGS

    def restart_server(self) -> None:
        """Stops the server as an operator would and starts it again at the same addresses; the
        shop goes on meanwhile."""
        old = self.server
        old.stop()
        self.server = ServerProcess(
            old.data_dir, *self.settings,
            "--otlp-grpc", old.grpc, "--otlp-http", old.http, "--web", old.web,
        )  # fmt: skip

    def sql(self, text: str) -> list[list[Any]]:
        """The rows of a query over everything that was sent so far."""
        return self.server.sql(text)

    def switch_on(self, fault: str, parameters: Mapping[str, Any]) -> int:
        """When every instance had it on, in Unix nanoseconds."""
        answer = httpx.put(
            f"{self.registry}/v1/faults/{fault}", json={"parameters": dict(parameters)}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return int(answer.json()["start_unix_nano"])

    def switch_off(self, fault: str) -> dict[str, Any]:
        """The finished label."""
        answer = httpx.delete(f"{self.registry}/v1/faults/{fault}", timeout=30)
        assert answer.status_code == 200, answer.text
        label: dict[str, Any] = answer.json()
        return label

    def ledger(self, fault: str) -> list[str]:
        """The traces in which the fault acted, as far as instances have told."""
        answer = httpx.get(f"{self.registry}/v1/faults/{fault}/ledger", timeout=30)
        assert answer.status_code == 200, answer.text
        trace_ids: list[str] = answer.json()["trace_ids"]
        return trace_ids

    def labels(self) -> list[dict[str, Any]]:
        """The lines of the labels file."""
        text = self.labels_file.read_text() if self.labels_file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def stop(self) -> int:
        """SIGTERM, then the shop's exit code."""
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def running_shop(
    folder: Path, *arguments: str, settings: tuple[str, ...] = SETTINGS
) -> Iterator[RunningShop]:
    """Server with these settings and shop with these arguments, started and settled; both are
    stopped at the end."""
    server = ServerProcess(folder / "longpole", *settings)
    shop: RunningShop | None = None
    labels_file = folder / "labels.jsonl"
    errors = (folder / "shop.log").open("w")
    command = [
        sys.executable, "-m", "shop", "up", "--otlp-endpoint", f"http://{server.grpc}",
        "--labels", str(labels_file), "--data-dir", str(folder / "shop"), *arguments,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:2] == ["shop", "ready"], (folder / "shop.log").read_text()
        told = dict(word.split("=", 1) for word in words[2:])
        shop = RunningShop(
            server, process, told["gateway"], told["registry"], labels_file, settings
        )
        eventually(lambda: shop.sql("SELECT count(*) FROM spans")[0][0] > 0, 30)
        yield shop
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            errors.close()
            (shop.server if shop is not None else server).kill()


def now_unix_nano() -> int:
    """This machine's clock, which all processes share."""
    return time.time_ns()
