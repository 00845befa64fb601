"""Arrivals: when the next customer comes, whatever became of the ones before."""

from __future__ import annotations

import random
from collections.abc import Iterator


def poisson_arrivals(rate: float, chance: random.Random) -> Iterator[float]:
    """Seconds since the start at which customers come, ascending, without end.

    A Poisson process of `rate` customers a second: the gaps are independent and exponential, so
    that crowds and lulls come as they do in life. The same seed gives the same times.
    """
    if rate <= 0:
        raise ValueError(f"a rate of {rate} customers a second: it has to be above 0")
    now = 0.0
    while True:
        now += chance.expovariate(rate)
        yield now
