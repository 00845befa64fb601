"""A run of load: processes that send, and one report of what became of everything."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from longpole.cli.exit_codes import NoAnswer
from longpole.cli.loadgen.plan import Plan
from longpole.cli.loadgen.worker import Tally, work
from longpole.model.clock import Clock

_START_SECONDS = 120.0
_LEAD_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """What a run did. `acknowledged` has the numbers of the requests that were taken."""

    plan: Plan
    acknowledged: frozenset[int]
    unknown: frozenset[int]
    tallies: tuple[Tally, ...]
    elapsed_seconds: float

    @property
    def acknowledged_records(self) -> int:
        """Records in acknowledged requests, without those that the answers called rejected."""
        rejected = sum(tally.rejected_records for tally in self.tallies)
        return len(self.acknowledged) * self.plan.batch - rejected

    @property
    def client_cpu_seconds(self) -> float:
        """Processor time of the sending processes, from start to the last answer."""
        return sum(tally.cpu_seconds for tally in self.tallies)

    def document(self) -> dict[str, Any]:
        """The JSON of a run."""
        plan = self.plan
        latencies = np.concatenate([np.array(tally.latencies) for tally in self.tallies])
        refusals = sum((tally.refusals for tally in self.tallies), Counter[str]())
        in_time = sum(
            int(np.count_nonzero(np.array(tally.acknowledged_at) <= plan.seconds))
            for tally in self.tallies
        )
        records = self.acknowledged_records
        return {
            "endpoint": plan.endpoint,
            "signal": plan.signal.value,
            "protocol": plan.protocol,
            "compression": plan.compression,
            "batch": plan.batch,
            "attributes": plan.attributes,
            "connections": plan.connections,
            "workers": plan.workers,
            "seconds": plan.seconds,
            "rate": plan.rate or None,
            "acknowledged_requests": len(self.acknowledged),
            "acknowledged_records": records,
            # Of the run itself: what was answered after its end is not counted in.
            "acknowledged_per_second": round(in_time * plan.batch / plan.seconds, 1),
            "rejected_records": sum(tally.rejected_records for tally in self.tallies),
            "refusals": dict(refusals.most_common()),
            "dropped_requests": sum(len(tally.dropped) for tally in self.tallies),
            "unknown_requests": len(self.unknown),
            "sent_bytes": sum(tally.sent_bytes for tally in self.tallies),
            "latency_seconds": {
                name: round(float(np.quantile(latencies, share)), 4) if latencies.size else None
                for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
            },
            "client_cpu_seconds": round(self.client_cpu_seconds, 2),
            "client_cpu_us_per_record": round(1e6 * self.client_cpu_seconds / max(1, records), 3),
            "late_seconds": round(max((t.late_seconds for t in self.tallies), default=0.0), 3),
        }


def run(plan: Plan, clock: Clock, at_start: Callable[[], None] = lambda: None) -> Load:
    """Send as the plan says; returns when every request has its answer or was given up.
    `at_start` is called when all processes are ready. Raises `NoAnswer` when one ends early."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes = []
    for worker in range(plan.workers):
        near, far = context.Pipe()
        process = context.Process(target=work, args=(plan, worker, far), daemon=True)
        process.start()
        far.close()
        pipes.append(near)
        processes.append(process)
    try:
        for pipe in pipes:
            _received(pipe, _START_SECONDS)
        at_start()
        begin = clock.monotonic_ns() / 1e9 + _LEAD_SECONDS
        for pipe in pipes:
            pipe.send(begin)
        limit = plan.seconds + plan.patience_seconds + _START_SECONDS
        tallies = tuple(_received(pipe, limit) for pipe in pipes)
        elapsed = clock.monotonic_ns() / 1e9 - begin
        for process in processes:
            process.join(_START_SECONDS)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
        for pipe in pipes:
            pipe.close()
    return Load(
        plan,
        _all(tally.acknowledged for tally in tallies),
        _all(tally.unknown for tally in tallies),
        tallies,
        elapsed,
    )


def default_workers() -> int:
    """As many processes as there are processors, at most four."""
    return max(1, min(4, os.cpu_count() or 1))


def _all(numbers: Any) -> frozenset[int]:
    return frozenset(number for part in numbers for number in part)


def _received(pipe: Connection, seconds: float) -> Any:
    try:
        if pipe.poll(seconds):
            return pipe.recv()
    except EOFError:
        raise NoAnswer("a sending process ended early; see above") from None
    raise NoAnswer(f"a sending process did not answer within {seconds:g} s")
