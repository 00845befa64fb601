"""PromQL beside a real Prometheus: `python -m bench.promql --folder DIR` prints JSON lines.

The same 10,000 series of 24 hours in both, a sample each minute (14.4 million): 200 instances, each
with 37 counters and a histogram, which arrive as OTLP here and by remote write there. DIR is filled
first when it is new. Then each is a server of its own, `longpole serve` over its data directory
here, and both are asked the same range queries in turn over a socket of this machine, with gzip, as
Grafana does. The answers are compared before anything is timed.

`wall` is what a panel waits, `cpu` the processor time of the server; medians with the fastest and
the slowest of several runs after those that do not count. Ratios are ours over theirs: below 1 is
faster. `first` is the first of all runs, when neither has the series at hand.

Needs the Prometheus of `make tools`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
import numpy as np
from bench.analyze import machine
from bench.made_metrics.filled_store import fill
from bench.made_metrics.fleet import Fleet

from longpole.model.clock import SystemClock
from tests.analyzer.promql.prometheus_peer import PROGRAM
from tests.analyzer.promql.prometheus_peer import running as prometheus_running
from tests.flow.server_process import eventually
from tests.flow.server_process import running as longpole_running

STEPS_AT_ONCE = 30
# Whatever is answered so fast is asked so often before it counts.
QUICK_SECONDS, WARM_UPS = 2.0, 8
DAY, HOUR = (24 * 3600, 60), (3600, 15)
DAY_COARSE = (24 * 3600, 300)
# The query, how far back, and the step, in seconds.
QUERIES: dict[str, tuple[str, tuple[int, int]]] = {
    "one_series": ('rate(calls_total{instance="i-007",route="/r7"}[5m])', DAY),
    "one_percent": ('rate(calls_total{instance=~"i-00[01]"}[5m])', DAY),
    "one_percent_hour": ('rate(calls_total{instance=~"i-00[01]"}[5m])', HOUR),
    "sum_rate": ("sum(rate(calls_total[5m]))", DAY_COARSE),
    "sum_by_rate_hour": ("sum by (job, code) (rate(calls_total[5m]))", HOUR),
    "error_ratio": (
        'sum by (job) (rate(calls_total{code="500"}[5m])) / sum by (job) (rate(calls_total[5m]))',
        DAY_COARSE,
    ),
    "regex_filter": ('sum(rate(calls_total{route=~"/r1.*",code!="500"}[5m]))', DAY_COARSE),
    "quantile": (
        "histogram_quantile(0.99, sum by (job, le) (rate(latency_seconds_bucket[5m])))",
        DAY_COARSE,
    ),
    "mean_latency": (
        "rate(latency_seconds_sum[5m]) / rate(latency_seconds_count[5m])", DAY_COARSE,
    ),
    "top": ("topk(5, rate(calls_total[5m]))", DAY_COARSE),
    "max_over_hour": ("sum by (job) (max_over_time(calls_total[1h]))", DAY_COARSE),
    "avg_over_half_hour": ('avg_over_time(calls_total{job="job-7"}[30m])', DAY_COARSE),
    "every_value": ("calls_total", DAY_COARSE),
    "avg_by": ("avg by (job) (calls_total)", DAY),
    "sum_by_rate": ("sum by (job, code) (rate(calls_total[5m]))", DAY),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One server: where it is asked, and the process whose time counts."""

    url: str
    pid: int
    client: httpx.Client

    def answer(self, form: Mapping[str, str]) -> bytes:
        """A whole answer as it comes over the wire, still packed."""
        with self.client.stream("POST", f"{self.url}/api/v1/query_range", data=form) as got:
            body = b"".join(got.iter_raw())
            assert got.status_code == 200, body[:500]
        return body

    def document(self, form: Mapping[str, str]) -> Any:
        return self.client.post(f"{self.url}/api/v1/query_range", data=form).json()

    def cpu_seconds(self) -> float:
        """Of all threads since it was started."""
        # The clock of a process by its id (clock_getcpuclockid(3)); /proc counts in 10 ms.
        return time.clock_gettime_ns(~self.pid << 3 | 2) / 1e9

    def peak_bytes(self) -> int:
        """The most memory it ever held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def settle(self) -> None:
        """Until it does nothing any more, so that chores are not measured."""

        def is_quiet() -> bool:
            before = self.cpu_seconds()
            time.sleep(1.0)
            return self.cpu_seconds() - before < 0.1

        eventually(is_quiet, 180)


def fleet_in(folder: Path, asked: argparse.Namespace) -> Fleet:
    """The fleet that DIR holds; both stores are filled when it is new."""
    known = folder / "fleet.json"
    if known.exists():
        return Fleet(**json.loads(known.read_text()))
    end_ms = SystemClock().now_unix_nano() // 10**6 // 60_000 * 60_000
    size = int(asked.hours * 3600) // asked.every // STEPS_AT_ONCE * STEPS_AT_ONCE
    fleet = Fleet(asked.instances, size, asked.every * 1000, end_ms)
    folder.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()
    fill(folder / "longpole", fleet, STEPS_AT_ONCE)
    middle = time.perf_counter()
    peer_folder = folder / "prometheus"
    peer_folder.mkdir()
    with prometheus_running(PROGRAM, peer_folder) as peer:
        # In order of time, since nothing is taken that is much older than the newest.
        for first in range(0, size, STEPS_AT_ONCE):
            peer.write(list(fleet.series(slice(first, first + STEPS_AT_ONCE))))
    say("filling", longpole_seconds=round(middle - begin),
        prometheus_seconds=round(time.perf_counter() - middle))  # fmt: skip
    known.write_text(json.dumps({
        "instances": fleet.instances, "size": size, "every_ms": fleet.every_ms, "end_ms": end_ms,
    }))  # fmt: skip
    return fleet


@contextmanager
def servers(folder: Path) -> Iterator[tuple[Asked, Asked]]:
    """Longpole and Prometheus over what DIR holds."""
    with (
        longpole_running(folder / "longpole") as mine,
        prometheus_running(PROGRAM, folder / "prometheus") as peer,
        httpx.Client(timeout=300) as client,
    ):
        ours = Asked(f"http://{mine.web}/prometheus", mine.process.pid, client)
        theirs = Asked(peer.url, peer.pid, client)
        eventually(lambda: client.get(f"{ours.url}/api/v1/labels").status_code == 200, 300)
        for one in (ours, theirs):
            one.settle()
        yield ours, theirs


def measured(
    sides: Sequence[Asked], end_ms: int, runs: int, queries: Sequence[str], seconds: float
) -> Iterator[dict[str, Any]]:
    """A row for each query, then the geometric means of the ratios."""
    rows = []
    for name in queries:
        query, (range_s, step_s) = QUERIES[name]
        form = {"query": query, "start": str(end_ms / 1000 - range_s), "end": str(end_ms / 1000),
                "step": str(step_s)}  # fmt: skip
        first = [timed(one, form, 1) for one in sides]
        sizes = [len(one.answer(form)) for one in sides]
        row: dict[str, Any] = {"query": name}
        if len(sides) > 1:
            documents = [one.document(form) for one in sides]
            row["is_same"] = (agree_on_values if name == "top" else agree)(*documents)
        # Short ones more often, so that the counter of processor time says something.
        # By processor time, so that a busy machine leaves out no warm-up.
        slowest = max(cpu for _, cpu in first)
        times = max(1, min(20, int(seconds / max(slowest, 1e-3))))
        if slowest < QUICK_SECONDS:
            # What is asked for often is decoded as a whole, a few segments a question.
            for one in sides:
                timed(one, form, WARM_UPS)
        walls: list[list[float]] = [[] for _ in sides]
        cpus: list[list[float]] = [[] for _ in sides]
        for _ in range(runs):
            for place, one in enumerate(sides):
                found, cpu = timed(one, form, times)
                walls[place].append(found / times)
                cpus[place].append(cpu / times)
        for place, side in enumerate(("ours", "prometheus")[: len(sides)]):
            row[side] = {
                "first_wall_ms": ms(first[place][0]), **spread("wall", walls[place]),
                **spread("cpu", cpus[place]), "bytes": sizes[place],
            }  # fmt: skip
        if len(sides) > 1:
            for kind, values in (("wall", walls), ("cpu", cpus)):
                mine, other = (max(statistics.median(one), 1e-4) for one in values)
                row[f"{kind}_ratio"] = round(mine / other, 3)
            row["first_wall_ratio"] = round(first[0][0] / first[1][0], 3)
        rows.append(row)
        yield row
    ratios = [key for key in ("wall_ratio", "cpu_ratio", "first_wall_ratio") if key in rows[0]]
    means = {key: math.exp(statistics.mean(math.log(row[key]) for row in rows)) for key in ratios}
    yield {"query": "all", **{key: round(value, 3) for key, value in means.items()}}


def timed(one: Asked, form: Mapping[str, str], times: int) -> tuple[float, float]:
    """Seconds that passed while it answered so many times, and those of its processors."""
    busy, began = one.cpu_seconds(), time.perf_counter()
    for _ in range(times):
        one.answer(form)
    return time.perf_counter() - began, one.cpu_seconds() - busy


def ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def spread(kind: str, seconds: Sequence[float]) -> dict[str, Any]:
    return {f"{kind}_ms": {"median": ms(statistics.median(seconds)), "min": ms(min(seconds)),
                           "max": ms(max(seconds))}}  # fmt: skip


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


def agree_on_values(ours: Any, theirs: Any) -> bool:
    """For `topk`: of series that are equally large, each server takes the ones it meets first."""
    sides = []
    for document in (ours, theirs):
        at: dict[float, list[float]] = {}
        for one in document["data"]["result"]:
            for time_s, value in one["values"]:
                at.setdefault(time_s, []).append(float(value))
        sides.append({time_s: sorted(values) for time_s, values in at.items()})
    mine, other = sides
    return mine.keys() == other.keys() and all(
        len(mine[at]) == len(other[at]) and np.allclose(mine[at], other[at], rtol=1e-9)
        for at in mine
    )


def say(figure: str, **values: Any) -> None:
    """One line of the result."""
    print(json.dumps({"figure": figure, **values}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--instances", type=int, default=200, help="of 50 series each, to fill")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--every", type=int, default=60, help="seconds between samples")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a run, for short queries")
    parser.add_argument("--only", default="", help="queries whose name holds this")
    parser.add_argument("--alone", action="store_true", help="ask nothing of Prometheus")
    asked = parser.parse_args()
    fleet = fleet_in(asked.folder, asked)
    say("machine", **machine())
    say(
        "stored", series=fleet.series_count, samples=fleet.series_count * fleet.size,
        every_seconds=fleet.every_ms // 1000, hours=fleet.size * fleet.every_ms / 3_600_000,
    )  # fmt: skip
    chosen = [name for name in QUERIES if asked.only in name]
    with servers(asked.folder) as both:
        sides = both[:1] if asked.alone else both
        for row in measured(sides, fleet.end_ms, asked.runs, chosen, asked.seconds):
            print(json.dumps(row), flush=True)
        held = [one.peak_bytes() >> 20 for one in both]
        say("peak_megabytes", ours=held[0], prometheus=held[1])
    say("load_afterwards", load_1_5_15_minutes=[round(load, 1) for load in os.getloadavg()])


if __name__ == "__main__":
    main()
