"""Exponential histogram points as native histograms, as Prometheus' OTLP receiver makes them.

A bucket of OTLP begins where the one of that index ends in Prometheus, so indices are one higher
there. Scales above 8 are made coarser, and a scale below -4 has no native histogram (nor would
Prometheus take the request). The threshold of zero is Prometheus' own, 1e-128, whatever was sent.

Deltas are added up as `accumulation` does for numbers: from a zero at each midnight (UTC).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from longpole.analyzer.promql.histograms import (
    LEAST_SCHEMA,
    MOST_SCHEMA,
    NO_BUCKETS,
    Buckets,
    Hint,
    Histogram,
    Histograms,
    combined,
)
from longpole.analyzer.promql.series import STALE_BITS, Booleans, Floats, Integers, Labels, Series
from longpole.analyzer.promql_sources.accumulation import Track, accumulated

_THRESHOLD = 1e-128
_STALE = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])


def native(
    scale: int, zero_count: float, count: float, total: float, positive: tuple[int, Floats],
    negative: tuple[int, Floats],
) -> Histogram | None:  # fmt: skip
    """One point; a side is its offset and its counts. None for a scale that is too coarse."""
    if scale < LEAST_SCHEMA:
        return None
    held = Histogram(
        scale, _THRESHOLD, zero_count, count, total, _side(*positive), _side(*negative)
    )
    return held.coarser(min(scale, MOST_SCHEMA))


def _side(offset: int, counts: Floats) -> Buckets:
    if not counts.size:
        return NO_BUCKETS
    return Buckets.of(offset + 1 + np.arange(counts.size, dtype=np.int64), counts)


def summed(
    held: Sequence[Histogram], times_ms: Integers, begins_ms: Integers, is_stale: Booleans
) -> tuple[list[Histogram], Track]:
    """Running sums of deltas, and the track of places in that list that says when each holds."""
    places = np.ones((len(held), 1))
    track = accumulated(Track(times_ms, places, is_stale), begins_ms, True)
    # What is 0 there begins a day; what is n is the sum of its n first points.
    found: list[Histogram] = []
    chosen = np.searchsorted(times_ms, track.times_ms, "right") - 1
    running: Histogram | None = None
    done = -1
    for value, last in zip(track.values[:, 0].tolist(), chosen.tolist(), strict=True):
        if value == 0:
            running = None
            empty = held[min(max(last + 1, 0), len(held) - 1)]
            found.append(_nothing(empty.schema))
            done = max(done, last)
            continue
        for point in range(done + 1, last + 1):
            one = held[point]
            if not is_stale[point]:
                running = one if running is None else combined([(1.0, running), (1.0, one)])
        done = last
        found.append(running if running is not None else _nothing(held[last].schema))
    return found, track


def _nothing(schema: int) -> Histogram:
    return Histogram(schema, _THRESHOLD, 0.0, 0.0, 0.0)


def series_of(
    labels: Labels, held: Sequence[Histogram], track: Track, after_ms: int, through_ms: int
) -> Series | None:
    """Those in (after_ms, through_ms], None when there are none."""
    cells: Histograms = np.full(len(held), None, object)
    for place, one in enumerate(held):
        cells[place] = None if track.is_stale[place] else replace(one, hint=Hint.UNKNOWN)
    values = np.where(track.is_stale, _STALE, 0.0)
    one_series = Series(labels, track.times_ms, values, cells)
    begin, end = np.searchsorted(track.times_ms, [after_ms, through_ms], "right").tolist()
    return one_series.part(slice(begin, end)) if end > begin else None
