"""A collector in a process of its own, so that a test can watch its memory.

Prints its addresses as JSON, runs until standard input closes. What it is handed it counts
and drops: the memory measured is the collector's.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import Future

from prometheus_client import CollectorRegistry

from longpole.collector.server import Collector
from longpole.collector.settings import CollectorSettings
from longpole.model.clock import SystemClock
from longpole.model.telemetry import Telemetry
from longpole.storage.ports import Receipt


class CountingIntake:
    """Acknowledges everything and keeps nothing."""

    waiting_bytes = 0

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        future.set_result(Receipt(1))
        return future


def main() -> None:
    """Serve on free ports until standard input ends."""
    settings = CollectorSettings(grpc_address="127.0.0.1:0", http_address="127.0.0.1:0")
    collector = Collector(settings, CountingIntake(), SystemClock(), CollectorRegistry())
    collector.start()
    print(json.dumps(dict(collector.addresses)), flush=True)
    sys.stdin.read()
    collector.stop(1.0)


if __name__ == "__main__":
    main()
