"""`longpole demo`, driven as a user would: it breaks the shop, names the fault, leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

ROOT = Path(__file__).parent.parent.parent
FREE_PORTS = {
    "LONGPOLE_OTLP_GRPC": "127.0.0.1:0",
    "LONGPOLE_OTLP_HTTP": "127.0.0.1:0",
    "LONGPOLE_WEB": "127.0.0.1:0",
}
MOST_MEMORY_BYTES = 1_500 * 2**20


@contextmanager
def demo(*command: str, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Killed, with all its children, when it takes longer."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, **FREE_PORTS}, start_new_session=True,
    )  # fmt: skip
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        family = descendants(process.pid)
        process.kill()
        for one in family:
            one.kill()
        process.communicate()


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def listening(family: list[psutil.Process]) -> set[int]:
    """The ports that these processes listen on."""
    return {
        connection.laddr.port
        for one in family
        for connection in one.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def names_the_fault(last: dict[str, Any]) -> None:
    label, verdict = last["label"], last["verdict"]
    assert label["fault"] == "payment-slow-query"
    assert label["start_unix_nano"] < label["end_unix_nano"]
    assert (label["service"], label["operation"]) == ("payment-service", "SELECT card_history")
    assert (verdict[0]["service"], verdict[0]["operation"]) == (
        label["service"],
        label["operation"],
    )
    assert last["duration_ns"] > 4_000_000_000


@pytest.mark.timeout(240)
def test_the_demo_names_what_it_broke_and_leaves_nothing_behind() -> None:
    longpole = str(Path(sys.executable).with_name("longpole"))
    schema = json.loads((ROOT / "docs" / "schemas" / "demo.json").read_text())
    with demo(longpole, "demo", "--json", "--duration", "20", seconds=200) as process:
        assert process.stdout is not None
        told: list[dict[str, Any]] = []
        while not told or "verdict" not in told[-1]:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            told.append(json.loads(line))
            jsonschema.validate(told[-1], schema)
            if told[-1]["event"] == "fault":
                family = descendants(process.pid)
                ports = listening(family)
        events = [line["event"] for line in told]
        assert events == ["server", "shop", "critical-path", "fault", "comparison", "verdict"]
        assert len(family) > 10
        assert len(ports) > 10
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        names_the_fault(json.loads(([*rest.splitlines()] or [line])[-1]))
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []
        assert not ports & {
            connection.laddr.port
            for connection in psutil.net_connections("tcp")
            if connection.laddr and connection.status == psutil.CONN_LISTEN
        }


@pytest.mark.full
@pytest.mark.alone
@pytest.mark.timeout(300)
def test_make_demo_fits_a_small_machine_and_ends_by_itself() -> None:
    with demo("make", "demo", "DURATION=60", seconds=200) as process:
        most = 0
        while process.poll() is None:
            used = 0
            for one in descendants(process.pid):
                try:
                    used += one.memory_full_info().pss
                except psutil.Error:
                    continue  # it has just ended
            most = max(most, used)
            time.sleep(0.5)
        shown, errors = process.communicate()
    print(f"at most {most / 2**20:,.0f} MiB in all")
    assert process.returncode == 0, shown + errors
    assert most < MOST_MEMORY_BYTES
    for word in ("payment-service", "SELECT card_history", "payment-slow-query"):
        assert word in shown
