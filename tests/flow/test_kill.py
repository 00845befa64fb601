"""kill -9 under load, again and again: nothing acknowledged is lost, nothing is doubled.

Each round starts the server on the same directory, loads it, and kills it: at any moment,
during replay, while a segment is sealed, or while segments are merged. Requests without an
answer are sent again after the next start, byte for byte.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from longpole.storage.journal import read_frames
from tests.flow.ledger_client import Backlog, Ledger, Writers
from tests.flow.server_process import ServerProcess, eventually

MERGED_FILES = 3
SETTINGS = {
    "LONGPOLE_SEAL_ROWS": "1000",
    "LONGPOLE_SEAL_AFTER": "1",
    "LONGPOLE_COMPACT_FILES": str(MERGED_FILES),
    "LONGPOLE_SETTLE_AFTER": "0.5",
}
MOMENTS = ("seal", "replay", "merge", "any")
PATIENCE_SECONDS = 12.0
READY_SECONDS = 240.0
SETTLED_SECONDS = 300.0
LOOKED_UP = 300


@pytest.mark.timeout(600)
def test_two_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    evidence = kill_rounds(
        tmp_path, rounds=2, looked_up=20, seed=random.SystemRandom().getrandbits(32)
    )
    assert evidence["unsealed and sealed data"] >= 1


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_twenty_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    evidence = kill_rounds(tmp_path, rounds=20, seed=random.SystemRandom().getrandbits(32))
    assert evidence["unsealed and sealed data"] >= 5
    for moment in ("replay", "seal", "merge"):
        assert evidence[f"killed during {moment}"] >= 1, evidence


def kill_rounds(
    tmp_path: Path,
    rounds: int,
    seed: int,
    looked_up: int = LOOKED_UP,
    most_spans: int = 64,
    pause_seconds: float = 0.04,
    settings: Mapping[str, str] = SETTINGS,
) -> Counter[str]:
    """Run the rounds, check the ledger, and return what the kills are known to have hit.
    Requests have 1 to `most_spans` spans; without a pause writers send as fast as they can."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    data_dir = tmp_path / "data"
    backlog = Backlog(chance, most_spans)
    ledger = Ledger(tmp_path / "ledger")
    evidence: Counter[str] = Counter()
    for number in range(rounds):
        moment = MOMENTS[number % len(MOMENTS)]
        has_replay = number > 0 and unsealed_frames(data_dir) > 0
        server = ServerProcess(data_dir, env=dict(settings))
        try:
            with Writers(server, backlog, ledger, pause_seconds=pause_seconds):
                if was_hit(server, moment, chance) and (moment != "replay" or has_replay):
                    evidence[f"killed during {moment}"] += 1
                server.kill()
        finally:
            server.kill()
        if unsealed_frames(data_dir) and segments(data_dir, "spans"):
            evidence["unsealed and sealed data"] += 1
    check(data_dir, backlog, ledger, chance, looked_up, settings)
    ledger.close()
    evidence["requests acknowledged"] = ledger.request_count
    evidence["requests sent again"] = backlog.resent
    evidence["spans acknowledged"] = sum(len(ids) for ids in ledger.traces().values())
    print(dict(evidence))
    return evidence


def was_hit(server: ServerProcess, moment: str, chance: random.Random) -> bool:
    """Return at the moment to kill: whether it is known to be the one that was asked for.
    The sleeps are the experiment, a crash at any time; nothing relies on their length."""
    if moment == "replay":
        time.sleep(chance.uniform(0.0, 0.6))
        return not has_loaded(server)
    folder = server.data_dir / "segments"
    if moment == "seal":
        # Not the first one, so that the kill leaves sealed and unsealed data.
        eventually(
            lambda: has_loaded(server) and bool(segments(server.data_dir, "spans")), READY_SECONDS
        )
        return wait_for(lambda: any(folder.glob("*.tmp")), PATIENCE_SECONDS)
    if moment == "merge":
        # A merge follows the seal that completes the number; fewer files before that prove
        # that the unfinished file is not another seal's.
        return wait_for(
            lambda: len(segments(server.data_dir, "spans")) < MERGED_FILES, PATIENCE_SECONDS
        ) and wait_for(
            lambda: (
                len(segments(server.data_dir, "spans")) >= MERGED_FILES
                and any(folder.glob("spans-*.tmp"))
            ),
            PATIENCE_SECONDS,
        )
    time.sleep(chance.uniform(0.1, 3.0))
    return True


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time; looks closely, since a seal takes milliseconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.001)
    return False


def has_loaded(server: ServerProcess) -> bool:
    """Whether the replay is over, as the log says it: under full load the pages come late."""
    return "everything that is stored can be found" in server.log_text


def is_replayed(server: ServerProcess) -> bool:
    try:
        return httpx.get(f"http://{server.web}/readyz?full", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def segments(data_dir: Path, kind: str) -> list[Path]:
    return list((data_dir / "segments").glob(f"{kind}-*.duckdb"))


def unsealed_frames(data_dir: Path) -> int:
    """Journal frames that no segment holds, in a directory without a server."""
    with closing(sqlite3.connect(data_dir / "manifest.sqlite")) as manifest:
        row = manifest.execute("SELECT value FROM meta WHERE key = 'sealed_through'").fetchone()
    return sum(1 for _ in read_frames(data_dir / "journal", int(row[0]) if row else 0))


def check(
    data_dir: Path, backlog: Backlog, ledger: Ledger, chance: random.Random, looked_up: int,
    settings: Mapping[str, str],
) -> None:  # fmt: skip
    """Start once more, send what is unanswered, and compare everything with the ledger; then
    again after a clean stop, from sealed segments alone."""
    server = ServerProcess(data_dir, env=dict(settings))
    try:
        while len(backlog):
            with Writers(server, backlog, ledger, may_be_new=False) as writers:
                writers.join()
            assert server.process.poll() is None, server.log_text
        compare(server, ledger, chance, looked_up)
        assert server.stop() == 0, server.log_text
        server = ServerProcess(data_dir, env=dict(settings))
        compare(server, ledger, chance, looked_up)
        assert server.stop() == 0, server.log_text
    finally:
        server.kill()
    assert unsealed_frames(data_dir) == 0


def compare(server: ServerProcess, ledger: Ledger, chance: random.Random, looked_up: int) -> None:
    eventually(lambda: is_replayed(server), READY_SECONDS)
    acknowledged = ledger.traces()
    total = sum(len(span_ids) for span_ids in acknowledged.values())
    assert len(acknowledged) == ledger.request_count
    counted = server.sql("SELECT count(*), count(DISTINCT span_id) FROM spans")
    assert counted == [[total, total]], "lost or doubled"
    assert every_trace(server) == acknowledged
    # The way by id goes through other code; it is slow for tens of thousands of traces.
    sample = chance.sample(sorted(acknowledged), min(looked_up, len(acknowledged)))
    with httpx.Client(base_url=f"http://{server.web}", timeout=30) as client:
        for trace_id in sample:
            answer = client.get(f"/api/v1/traces/{trace_id}", params={"spans": 1})
            assert answer.status_code == 200, (trace_id, answer.text)
            found = [span["span_id"] for span in answer.json()["spans"]]
            assert sorted(found) == sorted(acknowledged[trace_id])
    assert not [p for p in server.get("/api/v1/status")["problems"] if p["severity"] == "loss"]
    eventually(lambda: server.get("/api/v1/status")["pending_traces"] == 0, SETTLED_SECONDS)
    assert server.sql("SELECT count(*), sum(span_count) FROM traces") == [
        [len(acknowledged), total]
    ], "every trace is explained once"
    assert server.sql("SELECT sum(count) FROM red") == [[total]]


def every_trace(server: ServerProcess) -> dict[str, set[str]]:
    answer = httpx.post(
        f"http://{server.web}/api/v1/sql",
        json={
            "sql": "SELECT trace_id, string_agg(span_id, ',') FROM spans GROUP BY trace_id",
            "max_rows": 1_000_000,
        },
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    assert not answer.json()["is_truncated"]
    return {trace_id: set(span_ids.split(",")) for trace_id, span_ids in answer.json()["rows"]}
