"""What it costs to make columns of a request: `python bench/decoding.py`.

The compiled decoder and the reference one take turns over the same requests, in one process and
run. One JSON line for each kind of request: processor time per record of both, median of the
rounds with the least and the most, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

from longpole.cli.lasting_objects import keep_what_is_loaded
from longpole.cli.loadgen.batches import Batches
from longpole.cli.loadgen.plan import Plan
from longpole.formats import bounded_decoding, otlp
from longpole.formats.compiled.decoder import FastDecoder
from longpole.formats.compiled.readiness import DECODING
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry

PROTOCOLS = ("grpc", "http/json")
# Attributes of a record, as `bench/ingest.py --all` sends them.
ATTRIBUTES = {Signal.TRACES: 10, Signal.LOGS: 10, Signal.METRICS: 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=8, help="of each kind a round")
    parser.add_argument("--batch", type=int, default=512, help="records in a request")
    parser.add_argument("--only", choices=[signal.value for signal in Signal], default=None)
    given = parser.parse_args()
    DECODING.start()
    if not DECODING.wait(600.0):
        sys.exit("There is no compiled code to measure.")
    keep_what_is_loaded()  # as a server does
    for signal in Signal:
        if given.only in (None, signal.value):
            for protocol in PROTOCOLS:
                print(json.dumps(measured(signal, protocol, given)), flush=True)


def measured(signal: Signal, protocol: str, given: argparse.Namespace) -> dict[str, object]:
    """The line of one signal as one protocol sends it."""
    fast = FastDecoder()
    decoders: dict[str, Callable[[bytes], Telemetry]] = {
        "compiled": partial(bounded_decoding.decode, signal, decoder=fast),
        "reference": partial(otlp.decode, signal),
    }
    if protocol == "http/json":
        decoders = {
            "compiled": partial(bounded_decoding.decode_json, signal, decoder=fast),
            "reference": partial(otlp.decode_json, signal),
        }
    plan = Plan(
        "", signal=signal, protocol=protocol, batch=given.batch, attributes=ATTRIBUTES[signal]
    )
    batches = Batches(plan, 0)
    found: dict[str, list[float]] = {name: [] for name in decoders}
    for number in range(given.rounds + 1):
        first = number * given.requests
        bodies = [batches.request(first + one, time.time_ns()) for one in range(given.requests)]
        for name, decode in decoders.items():
            cost = microseconds(decode, bodies) / given.batch
            if number:  # the first round warms up
                found[name].append(cost)
    medians = {name: statistics.median(costs) for name, costs in found.items()}
    return {
        "figure": "decoding", "signal": signal.value, "protocol": protocol, "batch": given.batch,
        "bytes_per_record": round(len(bodies[0]) / given.batch), "rounds": given.rounds,
        "cpu_us_per_record": {
            name: {
                "median": round(medians[name], 2), "min": round(min(costs), 2),
                "max": round(max(costs), 2),
            }
            for name, costs in found.items()
        },
        "reference_to_compiled": round(medians["reference"] / medians["compiled"], 1),
    }  # fmt: skip


def microseconds(decode: Callable[[bytes], Telemetry], bodies: list[bytes]) -> float:
    """Processor time of this thread for a body."""
    started = time.thread_time_ns()
    for body in bodies:
        decode(body)
    return (time.thread_time_ns() - started) / 1e3 / len(bodies)


if __name__ == "__main__":
    main()
