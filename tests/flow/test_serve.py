"""Starting and stopping: data is accepted at once, and nothing acknowledged is lost."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually, running


def accepted_after_seconds(data_dir: Path) -> float:
    """From process start to the first acknowledged request."""
    server = ServerProcess(data_dir)
    try:
        body, _ = batch(random.Random())
        answer = httpx.post(f"http://{server.http}/v1/traces", content=body, headers=HEADERS)
        assert answer.status_code == 200
        return server.ready_seconds + answer.elapsed.total_seconds()
    finally:
        server.stop(60)


def test_a_fresh_server_accepts_answers_and_stops_cleanly(tmp_path: Path) -> None:
    with running(tmp_path / "new") as server:
        body, ids = batch(random.Random(1))
        answer = httpx.post(f"http://{server.http}/v1/traces", content=body, headers=HEADERS)
        assert (answer.status_code, answer.content) == (200, b"")
        assert eventually(lambda: server.get("/api/v1/traces")["traces"])
        assert httpx.get(f"http://{server.web}/readyz").status_code == 200
        page = httpx.head(f"http://{server.web}/traces/{ids[0][0]}")
        assert (page.status_code, page.content) == (200, b"")
        assert eventually(lambda: httpx.get(f"http://{server.web}/readyz?full").status_code == 200)
        assert server.stop() == 0
    # Without a server the same question is answered from the directory.
    run = subprocess.run(
        [sys.executable, "-m", "longpole.cli", "trace", ids[0][0], "--json",
         "--data-dir", str(tmp_path / "new")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert f'"{ids[0][0]}"' in run.stdout


def test_a_second_server_on_the_same_directory_exits_2_and_names_the_first(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        second = subprocess.run(
            [sys.executable, "-m", "longpole.cli", "serve", "--data-dir", str(tmp_path),
             "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 2
        assert str(server.process.pid) in second.stderr


def test_a_port_in_use_exits_2_and_names_the_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        run = subprocess.run(
            [sys.executable, "-m", "longpole.cli", "serve", "--data-dir", str(tmp_path),
             "--otlp-grpc", "127.0.0.1:0", "--otlp-http", address, "--web", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert run.returncode == 2
    assert address in run.stderr


def test_an_open_remote_bind_is_refused_and_both_ways_out_are_named(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "longpole.cli", "serve", "--data-dir", str(tmp_path),
         "--otlp-grpc", "0.0.0.0:0"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 2
    assert "--auth-token-file" in run.stderr
    assert "--insecure-allow-remote" in run.stderr


def test_sigterm_under_load_drains_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[tuple[str, str]] = []
    refused = 0
    lock = threading.Lock()
    with running(tmp_path) as server:

        def write(seed: int) -> None:
            nonlocal refused
            chance = random.Random(seed)
            with httpx.Client() as client:
                while True:
                    body, ids = batch(chance, traces=5)
                    try:
                        answer = client.post(
                            f"http://{server.http}/v1/traces", content=body, headers=HEADERS
                        )
                    except httpx.TransportError:
                        return
                    with lock:
                        if answer.status_code == 200:
                            acknowledged.extend(ids)
                        else:
                            assert answer.status_code == 503, answer.text
                            refused += 1
                            return

        writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
        for writer in writers:
            writer.start()
        eventually(lambda: len(acknowledged) > 1500, seconds=30)
        assert server.stop() == 0
        for writer in writers:
            writer.join(10)
    with running(tmp_path) as server:
        ready = f"http://{server.web}/readyz?full"
        eventually(lambda: httpx.get(ready, timeout=60).status_code == 200, seconds=60)
        kept = {(row[0], row[1]) for row in every_span(server)}
    assert set(acknowledged) <= kept
    # A request in flight at the end may be stored without its answer arriving, no more.
    assert len(kept) - len(acknowledged) <= 4 * 15


def every_span(server: ServerProcess) -> list[list[str]]:
    answer = httpx.post(
        f"http://{server.web}/api/v1/sql",
        json={"sql": "SELECT trace_id, span_id FROM spans", "max_rows": 1_000_000},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    rows: list[list[str]] = answer.json()["rows"]
    return rows


@pytest.mark.full
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_data_is_accepted_within_a_second_of_the_start(tmp_path: Path) -> None:
    """Best of five, since the machine may be busy; the median is printed."""
    times = sorted(accepted_after_seconds(tmp_path / "empty") for _ in range(5))
    print(f"empty directory: accepted after {times[0]:.3f} s, median {times[2]:.3f} s")
    assert times[0] < 1.0

    full = tmp_path / "full"
    chance = random.Random(2)
    with running(full) as server:
        while stored_bytes(full) < 1 << 30:
            body, _ = batch(chance, traces=200, padding=12_000)
            answer = httpx.post(
                f"http://{server.http}/v1/traces", content=body, headers=HEADERS, timeout=60
            )
            assert answer.status_code in (200, 503), answer.text
        server.kill()  # so that replay has work to do at the next start
    times = sorted(accepted_after_seconds(full) for _ in range(5))
    print(f"1 GiB directory: accepted after {times[0]:.3f} s, median {times[2]:.3f} s")
    assert times[0] < 1.0


def stored_bytes(folder: Path) -> int:
    """Bytes of journal and segments, as far as they exist at this moment."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
