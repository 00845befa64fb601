"""The aggregate over 100,000 traces is exact and comes from the derived rows."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually, running


def critical_path(server: ServerProcess) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "longpole.cli", "critical-path", "--json",
         "--url", f"http://{server.web}"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def check(tmp_path: Path, traces: int, settle_seconds: float) -> None:
    chance = random.Random(3)
    with running(tmp_path, "--settle-after", "1") as server:
        sent = 0
        while sent < traces:
            body, _ = batch(chance, traces=min(500, traces - sent), start_unix_nano=time.time_ns())
            answer = httpx.post(
                f"http://{server.http}/v1/traces", content=body, headers=HEADERS, timeout=60
            )
            assert answer.status_code == 200, answer.text
            sent += min(500, traces - sent)
        eventually(lambda: server.get("/api/v1/status")["settled_traces"] >= traces, settle_seconds)
        report = critical_path(server)
        ((root_sum, count),) = server.sql(
            "SELECT sum(duration_ns)::BIGINT, count(*) FROM spans WHERE parent_span_id IS NULL"
        )
        assert count == traces
        assert report["coverage"]["matched"] == report["coverage"]["used"] == traces
        assert (report["coverage"]["incomplete"], report["coverage"]["late"]) == (0, 0)
        assert report["coverage"]["unsettled_explained"] == 0
        assert report["roots"]["duration_sum_ns"] == root_sum
        assert sum(group["critical_ns"] for group in report["groups"]) == root_sum


def test_sums_over_many_traces_are_exact(tmp_path: Path) -> None:
    check(tmp_path, traces=2_000, settle_seconds=60)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_sums_over_a_hundred_thousand_traces_are_exact(tmp_path: Path) -> None:
    check(tmp_path, traces=100_000, settle_seconds=600)
