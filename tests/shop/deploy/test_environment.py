"""A service as the deployments run it: by its environment, its secrets in files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.shop.deploy.collector import Longpole
from tests.shop.deploy.envoys import free_port
from tests.shop.deploy.places import SAMPLE_APPS
from tests.shop.deploy.test_secrets import make_secrets

START_SECONDS = 30.0


def test_a_service_sends_its_telemetry_with_the_token_from_its_file(
    tmp_path: Path, longpole: Longpole
) -> None:
    make_secrets(tmp_path / "secrets")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "shop", "run", "user-service"],
        cwd=SAMPLE_APPS,
        stdout=subprocess.DEVNULL,
        env={
            "SHOP_LISTEN": f"127.0.0.1:{port}",
            "SHOP_DATA_DIR": str(tmp_path / "data"),
            "SHOP_JWT_SECRET_FILE": str(tmp_path / "secrets" / "jwt_secret"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{longpole.port}",
            "OTEL_EXPORTER_OTLP_HEADERS_FILE": str(tmp_path / "secrets" / "otlp_headers"),
        },
    )
    try:
        wait_ready(process, f"http://127.0.0.1:{port}")
        headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        httpx.get(f"http://127.0.0.1:{port}/v1/users/nobody", headers=headers, trust_env=False)
        longpole.wait_for(1, "a" * 32)
    finally:
        process.terminate()
        code = process.wait(20)

    token = (tmp_path / "secrets" / "longpole_token").read_text()
    assert longpole.authorizations == {f"Bearer {token}"}
    assert code == 0


def wait_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Until the service says that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended"
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the service is not ready")
