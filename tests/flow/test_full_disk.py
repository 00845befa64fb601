"""The disk is full: refused with the code that makes senders wait, nothing lost, and no restart
needed when space comes back."""

from __future__ import annotations

import random
from pathlib import Path

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import RetryInfo

from tests.flow.full_disks import FullDisk, Limit, Reserve, SmallDisk
from tests.flow.ledger_client import EXPORT
from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually

SETTINGS = {"LONGPOLE_SEAL_AFTER": "0.2", "LONGPOLE_SETTLE_AFTER": "0.1"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "kind",
    [
        Reserve,
        pytest.param(Limit, marks=pytest.mark.full),
        pytest.param(SmallDisk, marks=pytest.mark.full),
    ],
)
def test_a_full_disk_refuses_loses_nothing_and_recovers(
    tmp_path: Path, kind: type[FullDisk]
) -> None:
    chance = random.Random(1)
    disk = kind(tmp_path)
    try:
        server = ServerProcess(disk.data_dir, *disk.arguments(), env=SETTINGS)
        try:
            eventually(lambda: server.get("/api/v1/status")["is_replayed"])
            kept = {trace for trace, _ in accepted(server, chance)}
            disk.fill(server)
            refused = eventually(lambda: refusal(server, chance, kept), 60)
            assert refused.headers["retry-after"] == "1"
            assert "full" in refused.text
            assert over_grpc(server, batch(chance, spans_per_trace=64)[0]) == (
                grpc.StatusCode.UNAVAILABLE,
                1,
            )
            assert server.sql("SELECT count(DISTINCT trace_id) FROM spans") == [[len(kept)]]
            metrics = httpx.get(f"http://{server.web}/metrics", timeout=30).text
            assert (
                'longpole_collector_refusals_total{reason="disk_full",transport="http"}' in metrics
            )
            disk.free(server)
            kept |= {trace for trace, _ in eventually(lambda: accepted(server, chance), 30)}
            assert server.stop() == 0, server.log_text
            server = ServerProcess(disk.data_dir, *disk.arguments(), env=SETTINGS)
            eventually(lambda: server.get("/api/v1/status")["is_replayed"])
            rows = server.sql("SELECT DISTINCT trace_id FROM spans")
            assert {trace for (trace,) in rows} == kept
            assert server.sql("SELECT count(*) - count(DISTINCT span_id) FROM spans") == [[0]]
            assert server.get("/api/v1/status")["losses"] == {}
        finally:
            server.kill()
    finally:
        disk.remove()


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [Limit, SmallDisk])
def test_a_server_stops_cleanly_while_the_disk_is_full(
    tmp_path: Path, kind: type[FullDisk]
) -> None:
    chance = random.Random(2)
    disk = kind(tmp_path)
    try:
        server = ServerProcess(disk.data_dir, *disk.arguments(), env=SETTINGS)
        try:
            kept = {trace for _ in range(5) for trace, _ in accepted(server, chance)}
            disk.fill(server)
            assert server.stop() == 0, server.log_text
            if kind is SmallDisk:
                disk.free(server)
            server = ServerProcess(disk.data_dir, *disk.arguments(), env=SETTINGS)
            assert eventually(lambda: server.get("/api/v1/status")["is_replayed"])
            rows = server.sql("SELECT DISTINCT trace_id FROM spans")
            assert {trace for (trace,) in rows} == kept
        finally:
            server.kill()
    finally:
        disk.remove()


def accepted(server: ServerProcess, chance: random.Random) -> list[tuple[str, str]]:
    """The ids of a request that was acknowledged; empty when it was refused."""
    body, ids = batch(chance, traces=5)
    answer = httpx.post(f"http://{server.http}/v1/traces", content=body, headers=HEADERS)
    return ids if answer.status_code == 200 else []


def refusal(server: ServerProcess, chance: random.Random, kept: set[str]) -> httpx.Response | None:
    """The answer to a request, once it is one that sends the client away. Space is looked at
    now and then: what is still acknowledged goes to `kept`."""
    body, ids = batch(chance, spans_per_trace=64)
    answer = httpx.post(f"http://{server.http}/v1/traces", content=body, headers=HEADERS)
    assert answer.status_code in (200, 503), answer.text
    if answer.status_code == 503:
        return answer
    kept |= {trace for trace, _ in ids}
    return None


def over_grpc(server: ServerProcess, body: bytes) -> tuple[grpc.StatusCode, int]:
    """Status and the seconds to wait of a refusal over gRPC."""
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(EXPORT)(body, timeout=10)
    trailers = dict(refused.value.trailing_metadata())
    wait = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]).retry_delay.seconds
    return refused.value.code(), wait
