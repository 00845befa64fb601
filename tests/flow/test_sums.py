"""What is derived adds up to the spans through late spans, copies, restarts, kills, seals,
compaction and retention, asked of a real server."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.flow.requests import HEADERS, batch
from tests.flow.server_process import ServerProcess, eventually

SETTINGS = ("--settle-after", "0.3", "--seal-rows", "150", "--compact-files", "3")
# Copies that came in requests of another cut stay in `spans` until compaction meets them.
_SUMS = """
SELECT (SELECT count(DISTINCT (trace_id, span_id)) FROM spans) AS spans,
       (SELECT coalesce(sum(span_count), 0)::BIGINT FROM traces) AS in_traces,
       (SELECT coalesce(sum(count), 0)::BIGINT FROM red) AS in_red,
       (SELECT count(DISTINCT trace_id) FROM spans) AS traces,
       (SELECT count(*) FROM traces) AS settled,
       (SELECT coalesce(sum(duration_ns), 0)::BIGINT FROM traces) AS root_ns,
       (SELECT coalesce(sum(duration_ns), 0)::BIGINT FROM path_segments) AS path_ns
"""


class Traffic:
    """Batches of which the parts come late, again, or in another order; `sent` spans by id."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sent: set[tuple[bytes, bytes]] = set()
        self._held_back: list[Any] = []
        self._earlier: list[Any] = []

    def request(self) -> bytes:
        """The next request. Copies are equal in every field, in a batch of another cut."""
        chance = self.chance
        body, _ = batch(chance, traces=chance.randrange(5, 40), start_unix_nano=time.time_ns())
        request = ExportTraceServiceRequest.FromString(body)
        (scope,) = request.resource_spans[0].scope_spans
        spans = list(scope.spans)
        del scope.spans[:]
        late = [s for s in spans if s.parent_span_id and chance.random() < 0.1]
        now = [s for s in spans if not any(s is other for other in late)]
        while self._held_back and chance.random() < 0.8:
            now.append(self._held_back.pop(chance.randrange(len(self._held_back))))
        if self._earlier and chance.random() < 0.5:
            now += chance.sample(self._earlier, min(len(self._earlier), 15))
        chance.shuffle(now)
        scope.spans.extend(now)
        self._held_back += late
        self._earlier = now
        self.sent |= {(s.trace_id, s.span_id) for s in now}
        return request.SerializeToString()


def quiet_sums(server: ServerProcess) -> dict[str, int]:
    """The sums once nothing is pending; AssertionError when they never agree."""
    names = ("spans", "in_traces", "in_red", "traces", "settled", "root_ns", "path_ns")
    last: dict[str, int] = {}

    def agreed() -> bool:
        status = server.get("/api/v1/status")
        last["pending"] = status["pending_traces"]
        if not status["is_replayed"] or status["pending_traces"]:
            return False
        last.update(zip(names, server.sql(_SUMS)[0], strict=True))
        return (
            last["spans"] == last["in_traces"] == last["in_red"]
            and last["traces"] == last["settled"]
            and last["root_ns"] == last["path_ns"]
        )

    try:
        eventually(agreed, 90)
    except AssertionError:
        raise AssertionError(f"the sums do not agree: {last}\n{server.log_text}") from None
    return last


def found_traces(server: ServerProcess) -> dict[str, int]:
    """How many traces a search finds, by query."""
    found = {}
    for query in ("{}", "{ duration >= 0ns }"):
        rows = server.get("/api/v1/traces", q=query, limit=10_000)["traces"]
        found[query] = len({row["trace_id"] for row in rows})
    return found


def check(tmp_path: Path, seed: int, rounds: int, retain_bytes: int | None) -> None:
    print(f"seed {seed}")
    traffic = Traffic(seed)
    arguments = [*SETTINGS]
    if retain_bytes is not None:
        arguments += ["--retain-bytes", str(retain_bytes)]
    server = ServerProcess(tmp_path, *arguments)
    try:
        for _ in range(rounds):
            for _ in range(traffic.chance.randrange(2, 6)):
                answer = httpx.post(
                    f"http://{server.http}/v1/traces", content=traffic.request(), headers=HEADERS
                )
                assert answer.status_code == 200, answer.text
            if traffic.chance.random() < 0.5:
                sums = quiet_sums(server)
                if retain_bytes is None:
                    assert sums["spans"] == len(traffic.sent)
            fate = traffic.chance.random()
            if fate < 0.5:
                assert "ERROR" not in server.log_text
                if fate < 0.25:
                    server.kill()
                else:
                    assert server.stop() == 0
                server = ServerProcess(tmp_path, *arguments)
        if retain_bytes is not None:  # retention looks every ten seconds
            eventually(
                lambda: server.get("/api/v1/status")["losses"].get("expired_by_size_rows"), 60
            )
        sums, found = quiet_sums(server), found_traces(server)
        while (again := quiet_sums(server)) != sums:  # retention came in between
            sums, found = again, found_traces(server)
        assert found == dict.fromkeys(found, sums["traces"])
        if retain_bytes is None:
            assert sums["spans"] == len(traffic.sent)
        else:
            expired = server.get("/api/v1/status")["losses"]["expired_by_size_rows"]
            assert sums["spans"] < len(traffic.sent)
            assert expired > 0
            metrics = httpx.get(f"http://{server.web}/metrics").text
            assert f'longpole_storage_expired_records_total{{reason="size"}} {expired}' in metrics
        assert "ERROR" not in server.log_text
        assert server.stop() == 0
    finally:
        server.kill()


def test_derived_rows_add_up_to_the_spans(tmp_path: Path) -> None:
    check(tmp_path, 1, 5, None)


@pytest.mark.full
def test_derived_rows_add_up_to_what_retention_leaves(tmp_path: Path) -> None:
    check(tmp_path, 1, 5, 100_000)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("retain_bytes", [None, 1_000_000])
@pytest.mark.parametrize("number", range(5))
def test_derived_rows_add_up_for_long(
    tmp_path: Path, number: int, retain_bytes: int | None
) -> None:
    check(tmp_path, random.randrange(2**32), 40, retain_bytes)
