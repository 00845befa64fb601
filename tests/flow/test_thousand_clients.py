"""L-1000: a thousand exporters at once, each with a connection of its own; then all of them come
back at the same moment, after a restart."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import httpx
import psutil
import pytest

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually

CLIENTS, SPANS, MIB = 1_000, 20, 1 << 20
PATIENCE_SECONDS = 60.0


async def exporter(url: str, body: bytes) -> int:
    """One client: sends until it is told OK, as exporters do; how often it was told to wait."""
    waits = 0
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        while True:
            try:
                answer = await client.post(f"{url}/v1/traces", content=body, headers=HEADERS)
            except httpx.TransportError:
                waits += 1
                await asyncio.sleep(1)
                continue
            if answer.status_code == 200:
                return waits
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"] == "1"
            waits += 1
            await asyncio.sleep(1)


async def herd(url: str, bodies: list[bytes]) -> list[int]:
    return list(await asyncio.gather(*(exporter(url, body) for body in bodies)))


@pytest.mark.full
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_a_thousand_exporters_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(4)
    for start in range(2):
        server = ServerProcess(tmp_path)
        try:
            made = [batch(chance, traces=1, spans_per_trace=SPANS) for _ in range(CLIENTS)]
            waits = asyncio.run(herd(f"http://{server.http}", [body for body, _ in made]))
            print(f"{sum(waits)} waits")
            check(server, (start + 1) * CLIENTS * SPANS)
            assert server.stop() == 0
        finally:
            server.kill()


def check(server: ServerProcess, kept: int) -> None:
    """Everything is there once, and the connections are given back."""
    process = psutil.Process(server.process.pid)
    eventually(lambda: server.get("/api/v1/status")["is_replayed"], 60)
    counted = server.sql("SELECT count(*), count(DISTINCT span_id) FROM spans")
    assert counted == [[kept, kept]]
    eventually(lambda: process.num_fds() < 200, 60)
    assert process.memory_info().rss < 1024 * MIB
