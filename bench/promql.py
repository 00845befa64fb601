"""PromQL beside a real Prometheus: `python bench/promql.py` prints JSON lines.

The same 10,000 series of 24 hours in both; the same range queries through a socket of this machine,
each server a process of its own. Wall time is what a panel waits, the median of several runs after
one that does not count. `ratio` is ours over theirs: below 1 is faster. The bodies are compared
before anything is timed. Ours reads series that lie in memory: engine, writer and server are
measured, the store is not.

Needs the Prometheus of `make tools`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
import numpy as np
import uvicorn
from bench.analyze import machine

from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.series import Series, labels_of
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import SystemClock
from tests.analyzer.promql.prometheus_peer import PROGRAM, Prometheus, running
from tests.flow.server_process import eventually

JOBS, CODES = 50, ("200", "404", "500")
BOUNDS = ("0.1", "0.5", "1", "5", "+Inf")
WRITE_SAMPLES = 400_000
QUERIES = {
    "sum_rate": "sum(rate(calls_total[5m]))",
    "sum_by_rate": "sum by (job, code) (rate(calls_total[5m]))",
    "error_ratio": 'sum by (job) (rate(calls_total{code="500"}[5m]))'
    " / sum by (job) (rate(calls_total[5m]))",
    "quantile": "histogram_quantile(0.99, sum by (job, le) (rate(seconds_bucket[5m])))",
    "avg": "avg by (job) (calls_total)",
    "top": "topk(5, rate(calls_total[5m]))",
    "max_over_hour": "sum by (job) (max_over_time(calls_total[1h]))",
    "every_rate": "rate(calls_total[5m])",
    "every_value": "calls_total",
}


def made(count: int, hours: float, every_seconds: int, end_ms: int) -> list[Series]:
    """Half counters, half buckets of histograms; `count` series in all."""
    random = np.random.default_rng(7)
    size = int(hours * 3600) // every_seconds
    times = end_ms - np.arange(size - 1, -1, -1, dtype=np.int64) * every_seconds * 1000
    series: list[Series] = []
    for number in range(count // 2):
        labels = labels_of({
            "__name__": "calls_total", "job": f"job-{number % JOBS}",
            "code": CODES[number // JOBS % len(CODES)], "instance": f"10.0.0.{number}:8080",
        })  # fmt: skip
        series.append(Series(labels, times, np.cumsum(random.random(size) * 50)))
    for number in range(count // 2 // len(BOUNDS)):
        total = np.zeros(size)
        for bound in BOUNDS:
            total = total + np.cumsum(random.integers(0, 20, size))
            labels = labels_of({
                "__name__": "seconds_bucket", "job": f"job-{number % JOBS}", "le": bound,
                "instance": f"10.0.0.{number}:8080",
            })  # fmt: skip
            series.append(Series(labels, times, total))
    return series


def fill(peer: Prometheus, series: list[Series]) -> None:
    """In order of time, since Prometheus takes nothing that is an hour older than the newest."""
    size = series[0].times_ms.size
    step = max(1, min(size, int(size / 48)))
    at_once = max(1, WRITE_SAMPLES // step)
    for begin in range(0, size, step):
        part = slice(begin, begin + step)
        for first in range(0, len(series), at_once):
            peer.write([
                Series(one.labels, one.times_ms[part], one.values[part])
                for one in series[first : first + at_once]
            ])  # fmt: skip


@contextmanager
def served(series: list[Series]) -> Iterator[httpx.Client]:
    """Our dialect over the series, in a process of its own."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = prometheus_app(Asking(MemoryCatalog(series), SystemClock()))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    # Forked, so that the series need not be sent.
    process = multiprocessing.get_context("fork").Process(target=server.run, args=([listener],))
    process.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=url, timeout=120) as client:

        def is_ready() -> bool:
            try:
                return client.get("/-/ready").status_code == 200
            except httpx.TransportError:
                return False

        try:
            eventually(is_ready, 30)
            yield client
        finally:
            process.terminate()
            process.join(20)
            listener.close()


def seconds(work: Callable[[], Any], runs: int) -> float:
    """The median wall time."""
    found = []
    for _ in range(runs + 1):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return statistics.median(found[1:])


def measured(
    ours: httpx.Client, peer: Prometheus, end_ms: int, hours: float, step: int, runs: int
) -> Iterator[dict[str, Any]]:
    """A row for each query, then the geometric mean of the ratios."""
    ratios = []
    for name, query in QUERIES.items():
        form = {
            "query": query, "start": str(end_ms / 1000 - hours * 3600), "end": str(end_ms / 1000),
            "step": str(step),
        }  # fmt: skip
        mine, other = ours.post("/api/v1/query_range", data=form), peer.ask("query_range", **form)
        is_same = agree(mine.json(), other)
        size = len(mine.content)
        del mine, other
        here = seconds(lambda f=form: ours.post("/api/v1/query_range", data=f).content, runs)  # type: ignore[misc]
        there = seconds(lambda f=form: peer.post("query_range", f), runs)  # type: ignore[misc]
        ratios.append(here / there)
        yield {
            "query": name, "ours_seconds": round(here, 4), "prometheus_seconds": round(there, 4),
            "ratio": round(here / there, 3), "bytes": size, "is_same": is_same,
        }  # fmt: skip
    yield {"query": "all", "ratio": round(math.exp(statistics.mean(map(math.log, ratios))), 3)}


def agree(ours: Any, theirs: Any) -> bool:
    """Equal series and times, values within rounding; sums of floats differ in the last digits."""
    mine, other = ours["data"]["result"], theirs["data"]["result"]
    if [one["metric"] for one in mine] != [one["metric"] for one in other]:
        return False
    for one, two in zip(mine, other, strict=True):
        left, right = np.array(one["values"], float), np.array(two["values"], float)
        if left.shape != right.shape or not np.allclose(left, right, rtol=1e-9, equal_nan=True):
            return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--every", type=int, default=60, help="seconds between samples")
    parser.add_argument("--step", type=int, default=300, help="seconds between points of a panel")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    end_ms = SystemClock().now_unix_nano() // 10**6 // 60_000 * 60_000
    series = made(asked.series, asked.hours, asked.every, end_ms)
    print(json.dumps({
        "bench": "promql", "machine": machine(), "series": len(series), "hours": asked.hours,
        "samples": sum(one.times_ms.size for one in series), "step_seconds": asked.step,
        "source": "memory",
    }), flush=True)  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        running(PROGRAM, Path(folder)) as peer,
        served(series) as ours,
    ):
        fill(peer, series)
        for row in measured(ours, peer, end_ms, asked.hours, asked.step, asked.runs):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
