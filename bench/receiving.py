"""What each transport costs until a request is columns: `python bench/receiving.py`.

A collector without a store, in a process of its own; protocols take turns in one run, so that their
ratios hold whatever the machine is doing. One JSON line a protocol: processor time of the server
per span, median of the rounds with the least and the most, and its ratio to gRPC's.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.ingesting.server import cpu_seconds
from prometheus_client import CollectorRegistry

from longpole.cli.lasting_objects import keep_what_is_loaded
from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.run import run
from longpole.collector.server import Collector
from longpole.collector.settings import CollectorSettings
from longpole.formats.compiled.decoder import FastDecoder
from longpole.formats.compiled.readiness import DECODING
from longpole.model.clock import SystemClock
from longpole.model.telemetry import Telemetry
from longpole.storage.ports import Receipt

WAYS = (
    ("grpc", "none"),
    ("http/protobuf", "none"),
    ("grpc", "gzip"),
    ("http/protobuf", "gzip"),
    ("http/json", "none"),
)


class Nowhere:
    """An intake that keeps nothing."""

    waiting_bytes = 0

    def submit(self, telemetry: Telemetry, arrival_unix_nano: int) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        future.set_result(Receipt(1))
        return future


def serve(pipe: Connection) -> None:
    """The process of the server: says where it listens, ends when it is told to."""
    DECODING.start()
    is_compiled = DECODING.wait(600.0)
    settings = CollectorSettings(grpc_address="127.0.0.1:0", http_address="127.0.0.1:0")
    collector = Collector(settings, Nowhere(), SystemClock(), CollectorRegistry(), FastDecoder())
    collector.start()
    keep_what_is_loaded()  # as `longpole serve` does
    pipe.send((dict(collector.addresses), is_compiled))
    pipe.recv()
    collector.stop(5.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100, help="of each protocol a round")
    parser.add_argument("--batch", type=int, default=512, help="spans in a request")
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    server = context.Process(target=serve, args=(far,), daemon=True)
    server.start()
    addresses, is_compiled = near.recv()
    assert server.pid is not None
    found: dict[tuple[str, str], list[float]] = {way: [] for way in WAYS}
    for number in range(given.rounds + 1):
        for way in WAYS:
            cost = one_round(addresses, server.pid, way, given, number)
            print(f"round {number} of {given.rounds}, {way}: {cost:.2f} us", file=sys.stderr)
            if number:  # the first round warms up
                found[way].append(cost)
    near.send("end")
    server.join(30)
    base = statistics.median(found[WAYS[0]])
    for (protocol, compression), costs in found.items():
        median = statistics.median(costs)
        print(
            json.dumps(
                {
                    "figure": "receiving", "protocol": protocol, "compression": compression,
                    "batch": given.batch, "rounds": given.rounds, "is_compiled": is_compiled,
                    "server_cpu_us_per_span": {
                        "median": round(median, 2), "min": round(min(costs), 2),
                        "max": round(max(costs), 2),
                    },
                    "ratio_to_grpc": round(median / base, 2),
                }
            ),
            flush=True,
        )  # fmt: skip


def one_round(
    addresses: dict[str, Any], pid: int, way: tuple[str, str], given: Any, number: int
) -> float:
    """Microseconds of the server's processor time per span."""
    protocol, compression = way
    plan = Plan(
        addresses["grpc" if protocol == "grpc" else "http"],
        protocol=protocol,
        compression=compression,
        batch=given.batch,
        connections=4,
        workers=1,
        seconds=600.0,
        most_requests=given.requests,
        seed=number,
    )
    marks: list[float] = []
    load = run(plan, SystemClock(), lambda: marks.append(cpu_seconds(pid)))
    used = cpu_seconds(pid) - marks[0]
    return 1e6 * used / max(1, load.acknowledged_records)


if __name__ == "__main__":
    main()
