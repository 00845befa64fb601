"""F-DUP: the same request comes again and again, and the server is restarted in between."""

from __future__ import annotations

import random
from pathlib import Path

import httpx
import pytest

from tests.collector import messages
from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually

SETTINGS = {"LONGPOLE_SEAL_AFTER": "0.5", "LONGPOLE_SETTLE_AFTER": "0.2"}


@pytest.mark.full
@pytest.mark.timeout(300)
def test_what_is_sent_a_hundred_times_counts_once_everywhere(tmp_path: Path) -> None:
    body, ids = batch(random.Random(3), traces=4)
    requests = {
        "traces": body,
        "logs": messages.logs().SerializeToString(),
        "metrics": messages.metrics().SerializeToString(),
    }
    # Two crashes: with the requests in the journal alone or not, then once more from segments.
    for start in range(3):
        server = ServerProcess(tmp_path, env=SETTINGS)
        try:
            send_all(server, requests, times=100)
            check(server, ids)
            first = len(requests) if start == 0 else 0
            repeats = server.get("/api/v1/status")["repeated_requests"]
            assert repeats == 100 * len(requests) - first
        finally:
            server.kill()


def send_all(server: ServerProcess, requests: dict[str, bytes], times: int) -> None:
    with httpx.Client(base_url=f"http://{server.http}", headers=HEADERS) as client:
        for _ in range(times):
            for signal, content in requests.items():
                answer = client.post(f"/v1/{signal}", content=content)
                assert (answer.status_code, answer.content) == (200, b"")


def check(server: ServerProcess, ids: list[tuple[str, str]]) -> None:
    """Everything is there once, in records and in what is derived from them."""
    eventually(lambda: server.get("/api/v1/status")["is_replayed"], 60)
    eventually(lambda: server.get("/api/v1/status")["pending_traces"] == 0, 60)
    assert server.sql("SELECT count(*) FROM spans") == [[len(ids)]]
    assert server.sql("SELECT count(*) FROM logs") == [[1]]
    assert server.sql("SELECT count(*) FROM metric_points") == [[1]]
    assert server.sql("SELECT sum(count) FROM red") == [[len(ids)]]
    assert server.sql("SELECT count(*), sum(span_count) FROM traces") == [[4, len(ids)]]
