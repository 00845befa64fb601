"""Series of native histograms with everything that PromQL treats specially: resets, gaps, other
schemas and zero buckets, negative values, gauges, floats among histograms, staleness.

All of it follows from the seed; times are `start_ms` plus fifty minutes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from longpole.analyzer.promql.histograms import Buckets, Hint, Histogram
from longpole.analyzer.promql.series import Series, labels_of
from tests.analyzer.promql.made_series import STALE

STEP_MS = 15_000
SAMPLES = 200
THRESHOLD = 1e-128


def made_histograms(start_ms: int) -> list[Series]:
    """About 20 series, sorted by labels."""
    chance = random.Random(11)
    made = list(_counters(chance, start_ms))
    made += _odd_ones(chance, start_ms)
    made += _classic(chance, start_ms)
    return sorted(made, key=lambda one: one.labels)


def histogram_of(
    values: Sequence[float], schema: int, threshold: float = THRESHOLD, hint: Hint = Hint.UNKNOWN
) -> Histogram:
    """What a native histogram says of these observations."""
    held = np.array(values)
    sides = [held[held > threshold], -held[held < -threshold]]
    buckets = []
    for side in sides:
        at, counts = np.unique(np.ceil(np.log2(side) * 2.0**schema), return_counts=True)
        buckets.append(Buckets(at.astype(np.int64), counts.astype(np.float64)))
    inside = float((np.abs(held) <= threshold).sum())
    total = float(sum(values))
    positive, negative = buckets
    return Histogram(schema, threshold, inside, float(held.size), total, positive, negative, hint)


def _series(
    name: str, labels: dict[str, str], times: Sequence[int], held: Sequence[Histogram | float]
) -> Series:
    values = [one if isinstance(one, float) else 0.0 for one in held]
    cells = np.full(len(held), None, object)
    for place, one in enumerate(held):
        cells[place] = one if isinstance(one, Histogram) else None
    has_any = any(isinstance(one, Histogram) for one in held)
    return Series(
        labels_of({"__name__": name, **labels}), np.array(times, np.int64), np.array(values),
        cells if has_any else None,
    )  # fmt: skip


def _counters(chance: random.Random, start_ms: int) -> Iterator[Series]:
    for job in ("api", "web"):
        for route in ("/", "/cart", "/pay"):
            schema = {"/": 3, "/cart": 5, "/pay": 0}[route]
            seen: list[float] = []
            times, held = [], []
            phase = chance.randrange(STEP_MS)
            for i in range(SAMPLES):
                if chance.random() < 0.02:
                    seen = []
                # At least one: Prometheus takes equal histograms of two chunks for a change.
                seen += [chance.lognormvariate(-1, 1.5) for _ in range(chance.randrange(1, 9))]
                if chance.random() > 0.04 and not (job == "web" and 100 <= i < 140):
                    times.append(start_ms + phase + i * STEP_MS)
                    held.append(histogram_of(seen, schema))
            labels = {"job": job, "route": route}
            yield _series("request_seconds", labels, times, held)


def _odd_ones(chance: random.Random, start_ms: int) -> Iterator[Series]:
    gauges, mixed, stale, coarser, negative, wider = [], [], [], [], [], []
    counted: list[float] = []
    balance: list[float] = []
    for i in range(SAMPLES):
        gauges.append(histogram_of([chance.gauss(5, 4) for _ in range(6)], 2, hint=Hint.GAUGE))
        counted += [chance.lognormvariate(0, 2) for _ in range(3)] + [0.0] * (i % 3 == 0)
        balance += [chance.gauss(0, 10) for _ in range(2)]
        mixed.append(histogram_of(counted, 2) if i // 20 % 2 else float(i))
        stale.append(STALE if 60 <= i < 63 else histogram_of(counted, 1))
        coarser.append(histogram_of(counted, 4 - min(4, i // 50)))
        negative.append(histogram_of(balance, 1, 0.25))
        wider.append(histogram_of(counted, 2, 2.0 ** (i // 70 - 3)))
    times = [start_ms + i * STEP_MS for i in range(SAMPLES)]
    nothing = [histogram_of([], 0)] * SAMPLES
    one = [histogram_of([1.0, 2.0, 3.0], 2)] * SAMPLES
    few = [histogram_of([0.5, 1.5], 1)] * SAMPLES
    plain = [histogram_of([-5e6, -1.0, 0.0, 1e-7, 3.0], 0)] * SAMPLES
    for kind, held in (
        ("gauge", gauges), ("mixed", mixed), ("stale", stale), ("coarser", coarser),
        ("negative", negative), ("wider", wider), ("empty", nothing), ("same", one), ("equal", one),
        ("few", few), ("plain", plain),
    ):  # fmt: skip
        labels = {"kind": kind, "level": "odd"}
        yield _series("odd_histogram", labels, times, held)
    yield _series("odd_histogram", {"kind": "float", "level": "odd"}, times, [3.5] * SAMPLES)


def _classic(chance: random.Random, start_ms: int) -> Iterator[Series]:
    times = [start_ms + i * STEP_MS for i in range(SAMPLES)]
    for bound, share in (("0.1", 1.0), ("1", 3.0), ("10", 2.5), ("+Inf", 4.0), ("wide", 1.0)):
        held = [share * i for i in range(SAMPLES)]
        yield _series("request_seconds_bucket", {"job": "api", "le": bound}, times, held)
    yield _series("requests", {"job": "api"}, times, [float(i) for i in range(SAMPLES)])
    yield _series("scale", {"job": "api"}, times, [2.0] * SAMPLES)
