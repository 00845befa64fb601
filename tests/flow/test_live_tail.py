"""The live tail of a real server: traces come as they are sent, and it still stops at once."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually, running


def documents(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """What the events of a stream carry."""
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def send(server: ServerProcess, seed: int) -> str:
    """A request with one trace that begins now; its id."""
    body, ids = batch(random.Random(seed), start_unix_nano=time.time_ns())
    httpx.post(f"http://{server.http}/v1/traces", content=body, headers=HEADERS).raise_for_status()
    return str(ids[0][0])


def test_traces_come_as_they_are_sent_and_an_open_stream_does_not_hold_up_the_end(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "new", "--settle-after", "1") as server:
        eventually(lambda: server.get("/api/v1/status"))
        address = f"http://{server.web}/api/v1/live"
        with httpx.stream("GET", address, timeout=60) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            found = documents(stream.iter_lines())
            sent = send(server, 1)
            states: list[bool] = []
            while not states or not states[-1]:
                states += [
                    row["is_settled"] for row in next(found)["traces"] if row["trace_id"] == sent
                ]
            assert states[-1]
            begin = time.monotonic()
            assert server.stop(30) == 0
            assert time.monotonic() - begin < 10
            assert list(found) == []
