"""Series that hold everything PromQL treats specially: resets, gaps, NaN, staleness, buckets.

All of it follows from the seed; times are `START_MS` plus a little over an hour.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.selectors import meets_all
from longpole.analyzer.promql.series import STALE_BITS, Series, labels_of

STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
STEP_MS = 15_000
SAMPLES = 260
BOUNDS = ("0.1", "0.5", "1", "2.5", "+Inf")


def made_series(start_ms: int) -> list[Series]:
    """About 60 series, sorted by labels."""
    chance = random.Random(7)
    made = list(_counters(chance, start_ms))
    made += _gauges(chance, start_ms)
    made += _histograms(chance, start_ms)
    made += _odd_ones(chance, start_ms)
    return sorted(made, key=lambda one: one.labels)


def _times(start_ms: int, phase_ms: int, kept: Sequence[int]) -> np.ndarray:
    return np.array([start_ms + phase_ms + STEP_MS * i for i in kept], np.int64)


def _series(name: str, labels: dict[str, str], times: np.ndarray, values: list[float]) -> Series:
    return Series(labels_of({"__name__": name, **labels}), times, np.array(values, np.float64))


def _counters(chance: random.Random, start_ms: int) -> Iterator[Series]:
    for job in ("api", "web", "batch"):
        for instance in ("a:80", "b:80"):
            for code in ("200", "404", "500"):
                held = [i for i in range(SAMPLES) if chance.random() > 0.03]
                value, values = float(chance.randrange(1000)), []
                for _ in held:
                    value = 0.0 if chance.random() < 0.01 else value + chance.randrange(20)
                    values.append(value)
                labels = {"job": job, "instance": instance, "code": code}
                phase = chance.randrange(STEP_MS)
                yield _series("http_requests_total", labels, _times(start_ms, phase, held), values)


def _gauges(chance: random.Random, start_ms: int) -> Iterator[Series]:
    for job in ("api", "web", "batch"):
        for instance in ("a:80", "b:80"):
            phase = chance.randrange(STEP_MS)
            held = list(range(SAMPLES))
            if job == "batch":
                # A gap longer than the lookback.
                held = [i for i in held if not 100 <= i < 140]
            values = [round(chance.gauss(50, 20), 3) for _ in held]
            labels = {"job": job, "instance": instance}
            yield _series("memory_bytes", labels, _times(start_ms, phase, held), values)
            yield _series("memory_limit_bytes", labels, _times(start_ms, phase, held),
                          [100.0 + len(job)] * len(held))  # fmt: skip
    for job, version in (("api", "1.2"), ("web", "1.3"), ("batch", "")):
        labels = {"job": job, "version": version, "team": f"team-{job}"}
        yield _series("build_info", labels, _times(start_ms, 0, range(SAMPLES)), [1.0] * SAMPLES)


def _histograms(chance: random.Random, start_ms: int) -> Iterator[Series]:
    for job in ("api", "web"):
        for route in ("/", "/cart"):
            counts = [0.0] * len(BOUNDS)
            rows: list[list[float]] = [[] for _ in BOUNDS]
            total, sums = 0.0, []
            for _ in range(SAMPLES):
                for _ in range(chance.randrange(8)):
                    seconds = chance.expovariate(1.0)
                    total += seconds
                    for place, bound in enumerate(BOUNDS):
                        counts[place] += seconds <= float(bound)
                for place, count in enumerate(counts):
                    rows[place].append(count)
                sums.append(total)
            times = _times(start_ms, 0, range(SAMPLES))
            labels = {"job": job, "route": route}
            for bound, values in zip(BOUNDS, rows, strict=True):
                yield _series("latency_seconds_bucket", {**labels, "le": bound}, times, values)
            yield _series("latency_seconds_count", labels, times, rows[-1])
            yield _series("latency_seconds_sum", labels, times, sums)


def _odd_ones(chance: random.Random, start_ms: int) -> Iterator[Series]:
    nan, inf = float("nan"), float("inf")
    shapes = {
        "nans": [nan if i % 7 == 3 else float(i % 11) for i in range(SAMPLES)],
        "infinite": [inf if i % 50 == 9 else -inf if i % 50 == 30 else 1.5 for i in range(SAMPLES)],
        "stale": [STALE if 60 <= i % 130 < 62 else float(i) for i in range(SAMPLES)],
        "constant": [42.0] * SAMPLES,
        "huge": [1e300 * (i % 3 + 1) for i in range(SAMPLES)],
        "tiny": [1e-9 * i for i in range(SAMPLES)],
        "negative": [-3.0 * i for i in range(SAMPLES)],
        "switch": [float(i // 5 % 2) for i in range(SAMPLES)],
    }
    for kind, values in shapes.items():
        yield _series("odd", {"kind": kind}, _times(start_ms, 0, range(SAMPLES)), values)
    yield _series("once", {"job": "api"}, _times(start_ms, 0, [100]), [5.0])
    yield _series("sparse", {"job": "api"}, _times(start_ms, 0, range(0, SAMPLES, 40)),
                  [float(chance.randrange(9)) for _ in range(0, SAMPLES, 40)])  # fmt: skip
    yield _series("unix_seconds", {}, _times(start_ms, 0, range(SAMPLES)),
                  [951_782_400.0 + 86_399.0 * 13 * i for i in range(SAMPLES)])  # fmt: skip


class MadeSource:
    """The series as a `SeriesSource`."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> list[Series]:
        found = []
        for one in self._series:
            if meets_all(matchers, dict(one.labels)):
                held = slice(
                    int(np.searchsorted(one.times_ms, after_ms, "right")),
                    int(np.searchsorted(one.times_ms, through_ms, "right")),
                )
                if held.stop > held.start:
                    found.append(Series(one.labels, one.times_ms[held], one.values[held]))
        return found
