"""Real servers: token, probes, who answers, and signals."""

from __future__ import annotations

import json
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema
import pytest

from longpole.storage.data_dir import DataDir
from tests.cli.command import CHECKOUT, CHECKOUT_ID, documents, run
from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually, running

SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running(tmp_path_factory.mktemp("served") / "data", "--settle-after", "0.5") as process:
        yield process


def test_the_command_line_asks_the_server_that_holds_the_directory(server: ServerProcess) -> None:
    (imported,) = documents("import", CHECKOUT, "--data-dir", server.data_dir)
    assert imported["imported"] == {"traces": 77, "logs": 1, "metrics": 0}
    (from_file,) = documents("trace", CHECKOUT_ID, "--from", CHECKOUT)

    def settled() -> bool:
        (report,) = documents("trace", CHECKOUT_ID, "--data-dir", server.data_dir)
        return bool(report["completeness"]["settled"])

    assert eventually(settled)
    (by_lock,) = documents("trace", CHECKOUT_ID, "--data-dir", server.data_dir)
    (by_url,) = documents("trace", CHECKOUT_ID, "--url", f"http://{server.web}")
    assert by_lock == by_url == from_file
    text = run("trace", CHECKOUT_ID, "--url", server.web)
    assert text.stdout.rstrip().endswith(f"http://{server.web}/traces/{CHECKOUT_ID}")
    assert httpx.get(f"http://{server.web}/traces/{CHECKOUT_ID}").status_code == 200


def test_answers_of_a_server_fit_their_schemas(server: ServerProcess) -> None:
    at = ("--url", f"http://{server.web}")
    for name, question in (
        ("status", ["status"]),
        ("sql", ["sql", "SELECT trace_id, start_unix_nano, duration_ns / 3 FROM spans LIMIT 3"]),
        ("services", ["services", "--since", "10000d"]),
        ("critical-path", ["critical-path", "--group-by", "label"]),
        ("traces", ["traces", "--service", "cart-svc"]),
    ):
        (document,) = documents(*question, *at)
        jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))
    (status,) = documents("status", *at)
    assert status["addresses"] == {"grpc": server.grpc, "http": server.http, "web": server.web}
    assert run("trace", "f" * 32, *at).exit_code == 3
    assert run("sql", "SELEC", *at).exit_code == 2


def test_metrics_are_those_of_the_tables(server: ServerProcess) -> None:
    from longpole.cli.own_metrics import STORE_METRICS
    from longpole.cli.settle_metrics import SETTLE_METRICS
    from longpole.collector.metrics import METRICS

    text = httpx.get(f"http://{server.web}/metrics").text
    for name in (*METRICS, *(row.name for row in (*STORE_METRICS, *SETTLE_METRICS))):
        assert f"\n# TYPE {name} " in f"\n{text}", name
    assert "process_resident_memory_bytes" in text


def test_a_foreign_host_is_turned_away_by_the_real_server(server: ServerProcess) -> None:
    for host, status in (("evil.example", 421), ("localhost:80", 200)):
        answer = httpx.get(f"http://{server.web}/api/v1/status", headers={"Host": host})
        assert answer.status_code == status


def test_a_locking_server_that_does_not_answer_is_exit_4(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"127.0.0.1:{taken.getsockname()[1]}"
    owner = DataDir(tmp_path)
    owner.lock({"web": closed})
    try:
        result = run("traces", "--data-dir", tmp_path)
    finally:
        owner.unlock()
    assert result.exit_code == 4
    assert closed in result.stderr


def test_a_token_guards_every_port_and_opens_them(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("open-sesame\n")
    token.chmod(0o600)
    with running(tmp_path / "data", "--auth-token-file", str(token)) as server:
        body, ids = batch(random.Random(5))
        url, bearer = f"http://{server.http}/v1/traces", {"Authorization": "Bearer open-sesame"}
        assert httpx.post(url, content=body, headers=HEADERS).status_code == 401
        accepted = httpx.post(url, content=body, headers={**HEADERS, **bearer})
        assert accepted.status_code == 200
        page = f"http://{server.web}/traces/{ids[0][0]}"
        assert httpx.get(page).status_code == 401
        # The first page that is asked for waits until all of them are loaded.
        assert httpx.get(page, headers=bearer, timeout=60).status_code == 200
        assert httpx.get(page, auth=("anyone", "open-sesame")).status_code == 200
        assert httpx.get(f"http://{server.web}/metrics").status_code == 401
        assert httpx.get(f"http://{server.web}/readyz").status_code == 200
        at = ("--data-dir", server.data_dir)
        assert run("traces", *at).exit_code == 2
        (found,) = documents("traces", *at, "--auth-token-file", token)
        assert found["traces"][0]["trace_id"] == ids[0][0]
        assert documents("import", CHECKOUT, *at, "--auth-token-file", token)
        assert server.stop() == 0
        assert "open-sesame" not in server.log_text


def test_logs_are_json_lines_when_nobody_watches(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        eventually(lambda: httpx.get(f"http://{server.web}/readyz").status_code == 200)
        assert server.stop() == 0
    assert server.log
    for line in server.log:
        assert {"time", "level", "message"} <= set(json.loads(line))


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(30) == 0
    assert server.stop() == 0
    assert "Traceback" not in server.log_text


def test_a_second_signal_does_not_wait_for_a_slow_sender(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    try:
        host, _, port = server.http.rpartition(":")
        with socket.create_connection((host, int(port))) as slow:
            head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            slow.sendall(f"{head}Content-Length: 100\r\n\r\nhalf".encode())
            eventually(lambda: httpx.get(f"http://{server.web}/readyz?full").status_code == 200)
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: httpx.get(f"http://{server.web}/readyz").status_code == 503)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(5) == 0
    finally:
        server.kill()


def test_settings_are_refused_before_anything_is_bound(tmp_path: Path) -> None:
    config = tmp_path / "longpole.toml"
    config.write_text('weeb = "127.0.0.1:0"\n')
    result = subprocess.run(
        [sys.executable, "-m", "longpole.cli", "serve", "--config", str(config)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert "'weeb'; did you mean 'web'?" in result.stderr
    assert result.stdout == ""
