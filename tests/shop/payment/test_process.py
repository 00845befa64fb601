"""payment-service as a process: which database it has is a matter of its environment."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from shop.chassis.grpc_calls import GrpcCaller
from shop.outside import outside_app
from shop.payment.client import PaymentClient
from tests.shop.calls.servers import Here
from tests.shop.payment.till import ONCE, request
from tests.shop.runtime.serving import served


@pytest.mark.full
def test_a_process_on_postgresql_keeps_its_charges_over_a_restart(
    tmp_path: Path, postgres_url: str
) -> None:
    with served(outside_app(wait=lambda _: None)) as outside:
        environment = os.environ | {
            "SHOP_OUTSIDE_URL": outside,
            "SHOP_DATABASE_URL": postgres_url,
            "SHOP_DATA_DIR": str(tmp_path),
        }
        first = charge_once(environment)
        second = charge_once(environment)
    assert first == second
    assert list(tmp_path.glob("*.db")) == []
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT charge_id, status FROM charges").fetchall()
        connections = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state <> ''"
        ).fetchone()
    assert rows == [(first, "captured")]
    assert connections == (0,)


def charge_once(environment: dict[str, str]) -> str:
    """Start the service, charge `request()`, end it in good order; the id of the charge."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shop", "run", "payment-service"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        ready = json.loads(lines.get(timeout=30))
        while "grpc" not in ready:
            ready = json.loads(lines.get(timeout=30))
        caller = GrpcCaller("payment-service", ONCE, Here(ready["grpc"]))
        charge = PaymentClient(caller).charge(request())
        caller.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        reading.join()
        process.stdout.close()
    return charge.charge_id
