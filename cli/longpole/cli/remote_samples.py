"""Series of the Prometheus API as series again, native histograms among their samples.

The API says the bounds of buckets and not their schema, which is how finely they part a power of
two: `upper / lower` is 2^(1/2^schema) for every bucket of a histogram.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from longpole.analyzer.alerting.tick_source import series_of
from longpole.analyzer.promql.histograms import MOST_SCHEMA, Buckets, Histogram
from longpole.analyzer.promql.series import Series, labels_of

# Which ends belong to a bucket: the upper one, the lower one, both.
_POSITIVE, _NEGATIVE, _ZERO = 0, 1, 3


def remote_series(entry: Mapping[str, Any]) -> Series:
    """One entry of a matrix: `metric`, `values` and `histograms`. Raises ValueError, KeyError or
    TypeError for what is none."""
    samples: list[tuple[int, float | Histogram]] = [
        (round(at * 1000), float(value)) for at, value in entry.get("values", ())
    ]
    samples += [
        (round(at * 1000), remote_histogram(value)) for at, value in entry.get("histograms", ())
    ]
    samples.sort(key=lambda sample: sample[0])
    times, values = [at for at, _ in samples], [value for _, value in samples]
    return series_of(labels_of(entry["metric"]), times, values)


def remote_histogram(value: Mapping[str, Any]) -> Histogram:
    """A histogram from its document: `count`, `sum`, and `buckets` of kind, bounds and count."""
    buckets = [
        (int(kind), float(lower), float(upper), float(count))
        for kind, lower, upper, count in value.get("buckets", ())
    ]
    positive = [(low, high, count) for kind, low, high, count in buckets if kind == _POSITIVE]
    negative = [(-high, -low, count) for kind, low, high, count in buckets if kind == _NEGATIVE]
    zero = [(high, count) for kind, _, high, count in buckets if kind == _ZERO]
    # The bounds of the last bucket of all are not a whole step apart.
    apart = [math.log2(high / low) for low, high, _ in (*positive, *negative) if high < _LARGE]
    schema = round(-math.log2(apart[0])) if apart else MOST_SCHEMA
    return Histogram(
        schema, zero[0][0] if zero else 0.0, zero[0][1] if zero else 0.0,
        float(value["count"]), float(value["sum"]), _side(positive, schema),
        _side(negative, schema),
    )  # fmt: skip


_LARGE = 1e308


def _side(buckets: Sequence[tuple[float, float, float]], schema: int) -> Buckets:
    """By sizes: lower bound, upper bound, count."""
    held = sorted((round(math.log2(low) * 2.0**schema) + 1, count) for low, _, count in buckets)
    return Buckets.of(np.array([at for at, _ in held], np.int64), np.array([c for _, c in held]))
