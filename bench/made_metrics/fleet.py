"""A fleet of instances that count their calls: the same samples for a Prometheus and as OTLP.

Each instance has a counter for each of its routes and one histogram. Counters are whole numbers,
and one instance of ten starts anew in the middle. All of it is drawn from one seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from longpole.analyzer.promql.numbers import written
from longpole.analyzer.promql.series import Labels, Series, labels_of

JOBS, ROUTES = 50, 37
CODES = ("200", "404", "500")
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Counters, buckets, sum and count.
SERIES_EACH = ROUTES + len(BOUNDS) + 3
_RESTARTS_EVERY = 10
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Instance:
    """One process. `calls` is routes x samples, `buckets` bounds and +Inf x samples, cumulative in
    time but not over bounds; `starts_ms` is when what each sample counts began to be counted."""

    number: int
    calls: Counts
    buckets: Counts
    sums: Counts
    starts_ms: NDArray[np.int64]

    @property
    def job(self) -> str:
        return f"job-{self.number % JOBS}"

    @property
    def name(self) -> str:
        return f"i-{self.number:03d}"

    def route(self, place: int) -> dict[str, str]:
        """The attributes of one counter."""
        return {"route": f"/r{place}", "code": CODES[place % len(CODES)]}


@dataclass(frozen=True)
class Fleet:
    """`instances` of them, with `size` samples `every_ms` apart; the last one is at `end_ms`."""

    instances: int
    size: int
    every_ms: int
    end_ms: int

    @property
    def series_count(self) -> int:
        return self.instances * SERIES_EACH

    @cached_property
    def times_ms(self) -> NDArray[np.int64]:
        steps = np.arange(self.size - 1, -1, -1, dtype=np.int64)
        return self.end_ms - steps * self.every_ms

    @cached_property
    def made(self) -> tuple[Instance, ...]:
        """All of them; some hundred megabytes for a day of ten thousand series."""
        return tuple(self._instance(number) for number in range(self.instances))

    def _instance(self, number: int) -> Instance:
        random = np.random.default_rng((7, number))
        first_ms = int(self.times_ms[0]) - self.every_ms
        calls = np.cumsum(random.poisson(30, (ROUTES, self.size)), axis=1).astype(float)
        buckets = np.cumsum(random.poisson(5, (len(BOUNDS) + 1, self.size)), axis=1).astype(float)
        sums = np.cumsum(random.exponential(0.3, self.size))
        starts = np.full(self.size, first_ms, np.int64)
        if number % _RESTARTS_EVERY == 3:
            at = self.size // 2 + number % 7
            starts[at:] = self.times_ms[at] - self.every_ms
            for counted in (calls, buckets, sums):
                counted[..., at:] -= counted[..., at - 1 : at]
        return Instance(number, calls, buckets, sums, starts)

    def series(self, part: slice) -> Iterator[Series]:
        """Samples as Prometheus has them, labelled as its OTLP receiver does."""
        times = self.times_ms[part]
        for one in self.made:
            shared = {"job": one.job, "instance": one.name, "service_name": one.job}
            for place, values in enumerate(one.calls):
                yield Series(_labels("calls_total", shared, one.route(place)), times, values[part])
            cumulative = np.cumsum(one.buckets[:, part], axis=0)
            for bound, values in zip((*BOUNDS, float("inf")), cumulative, strict=True):
                le = {"le": written(bound)}
                yield Series(_labels("latency_seconds_bucket", shared, le), times, values)
            yield Series(_labels("latency_seconds_sum", shared, {}), times, one.sums[part])
            yield Series(_labels("latency_seconds_count", shared, {}), times, cumulative[-1])


def _labels(name: str, shared: dict[str, str], own: dict[str, str]) -> Labels:
    return labels_of({"__name__": name, **shared, **own})
