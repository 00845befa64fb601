"""Records the sample shop: a healthy minute, then every fault, each after some healthy seconds.

    DIR/seed-3/healthy/            60 s in which nothing is wrong
    DIR/seed-3/payment-down/       8 s healthy, 8 s faulty, and what still came in afterwards
        traces.pb.zst  logs.pb.zst  metrics.pb.zst     OTLP export requests, one after the other
        label.json                                     what was true, and when; written last

What a label holds (times in Unix nanoseconds):

    fault, seed, rate      its name; who the customers were and how many
    healthy, faulty        [from, to) of the two windows; a healthy recording has the first only
    label                  the shop's own label of the fault, see sample-apps/README.md
    affected               the shop's ledger: the ids, 32 hexadecimal digits each, of all traces in
                           which the fault really acted, in the order in which instances told. Empty
                           for the two faults that no request can tell of (gateway-rate-limit,
                           shipping-pause); not there in recordings older than the ledger.

A folder with a label is whole, so a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import zstandard
from bench.shop_recordings.receiver import Receiver, receiving

FAULTS_FILE = Path(__file__).parent.parent.parent / "sample-apps" / "faults.toml"
HEALTHY = "healthy"
WARM_UP_SECONDS = 10.0
HEALTHY_MINUTE_SECONDS = 60.0
WINDOW_SECONDS = 8.0
# Exporters send every few seconds, and a request that began in the window ends after it.
DRAIN_SECONDS = 5.0
# Breakers close and queues empty before the next healthy window begins.
RECOVERY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Shop:
    """A running shop with customers, and the receiver that its telemetry goes to."""

    registry: httpx.Client
    receiver: Receiver


def faults() -> dict[str, dict[str, Any]]:
    """The rows of `faults.toml` by name, in its order."""
    return {row["name"]: row for row in tomllib.loads(FAULTS_FILE.read_text())["fault"]}


def missing(folder: Path, names: list[str]) -> list[str]:
    """Those of `names` that have no whole recording in `folder`."""
    return [name for name in names if not (folder / name / "label.json").exists()]


def record_seed(folder: Path, seed: int, rate: float) -> None:
    """Everything that is missing of one seed, in one started shop. The seed decides who the
    customers are, when they come, and in which order the faults do."""
    order = sorted(faults())
    random.Random(seed).shuffle(order)
    wanted = missing(folder, [HEALTHY, *order])
    if not wanted:
        return
    with _shop(folder, seed, rate) as shop:
        time.sleep(WARM_UP_SECONDS)
        for name in wanted:
            shop.receiver.taken()
            if name == HEALTHY:
                label = _healthy_minute()
                time.sleep(DRAIN_SECONDS)
            else:
                label = _fault(shop, name)
                time.sleep(DRAIN_SECONDS)
                # Now, because instances tell of what they did with their next heartbeat.
                label["affected"] = _ledger(shop, name)
            _write(folder / name, shop.receiver.taken(), {**label, "seed": seed, "rate": rate})
            print(f"recorded seed {seed} {name}", file=sys.stderr, flush=True)
            if name != HEALTHY:
                time.sleep(RECOVERY_SECONDS)


def _healthy_minute() -> dict[str, Any]:
    start = time.time_ns()
    time.sleep(HEALTHY_MINUTE_SECONDS)
    return {"fault": HEALTHY, "healthy": [start, time.time_ns()]}


def _fault(shop: Shop, name: str) -> dict[str, Any]:
    begin = time.time_ns()
    time.sleep(WINDOW_SECONDS)
    end = time.time_ns()
    parameters = faults()[name].get("parameters", {})
    answer = shop.registry.put(f"/v1/faults/{name}", json={"parameters": parameters})
    answer.raise_for_status()
    time.sleep(WINDOW_SECONDS)
    answer = shop.registry.delete(f"/v1/faults/{name}")
    answer.raise_for_status()
    label = answer.json()
    return {
        "fault": name,
        "healthy": [begin, end],
        "faulty": [label["start_unix_nano"], label["end_unix_nano"]],
        "label": label,
    }


def _ledger(shop: Shop, name: str) -> list[str]:
    answer = shop.registry.get(f"/v1/faults/{name}/ledger")
    answer.raise_for_status()
    trace_ids: list[str] = answer.json()["trace_ids"]
    return trace_ids


def _write(folder: Path, bodies: dict[str, bytes], label: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for signal, body in bodies.items():
        (folder / f"{signal}.pb.zst").write_bytes(zstandard.compress(body, 6))
    unfinished = folder / "label.json.new"
    unfinished.write_text(json.dumps(label, indent=1) + "\n")
    os.replace(unfinished, folder / "label.json")


@contextmanager
def _shop(folder: Path, seed: int, rate: float) -> Iterator[Shop]:
    folder.mkdir(parents=True, exist_ok=True)
    with receiving() as receiver, (folder / "shop.log").open("a") as log:
        up = [
            sys.executable, "-m", "shop", "up", "--no-load",
            "--otlp-endpoint", f"http://{receiver.address}",
        ]  # fmt: skip
        shop = subprocess.Popen(up, stdout=subprocess.PIPE, stderr=log, text=True)
        load = None
        try:
            assert shop.stdout is not None
            words = shop.stdout.readline().split()
            if words[:2] != ["shop", "ready"]:
                raise RuntimeError(f"the shop did not start; see {folder / 'shop.log'}")
            told = dict(word.split("=", 1) for word in words[2:])
            command = [
                sys.executable, "-m", "shop", "load", "--gateway", told["gateway"],
                "--registry", told["registry"], "--rate", str(rate), "--seed", str(seed),
            ]  # fmt: skip
            load = subprocess.Popen(command, stdout=log, stderr=log)
            with httpx.Client(base_url=told["registry"], timeout=30.0, trust_env=False) as registry:
                yield Shop(registry, receiver)
        finally:
            for process in (load, shop):
                if process is not None:
                    process.terminate()
                    try:
                        process.wait(30)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
            if shop.stdout is not None:
                shop.stdout.close()
