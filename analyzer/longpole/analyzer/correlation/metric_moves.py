"""Metric moves: series that stand out in an interval from what they were before.

The baseline's median and median absolute deviation stand for what is usual, so that a few odd
points before do not hide a move (robust z; Iglewicz and Hoaglin, "How to Detect and Handle
Outliers", 1993). A series that hardly ever moves has a deviation near 0: a floor of its level
keeps dust from looking like a storm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from longpole.analyzer.correlation.metric_series import Series, Value
from longpole.model.timerange import TimeRange

_TO_SIGMA = 1.4826  # of a normal distribution, per median absolute deviation
_LEVEL_FLOOR = 0.05
_LARGEST_Z = 99.0
_FEWEST_BASELINE = 4
_BEYOND = 0.5  # of the baseline's own range, above or below it


@dataclass(frozen=True, slots=True)
class MetricMove:
    """One series that moved. `value` is the median over the interval, `usual` that of the
    baseline; `z` is above 0 for a rise."""

    series: Series
    value: float
    usual: float
    z: float


def moves_of(
    series: Iterable[Series], interval: TimeRange, baseline: TimeRange, least_z: float
) -> list[MetricMove]:
    """Series that moved by at least `least_z`, most first.

    `interval` may be shorter than the time between two points: then the point that covers it, or
    the first after it, stands for it. A series needs four points in the baseline, and its value
    has to lie beyond all of them; one that is new says nothing.
    """
    found = []
    for one in series:
        before = [
            v.value
            for v in one.values
            if baseline.start_unix_nano <= v.start_unix_nano
            and v.end_unix_nano < baseline.end_unix_nano
        ]
        inside = covering(one.values, interval)
        if len(before) < _FEWEST_BASELINE or not inside:
            continue
        value, usual = median(inside), median(before)
        low, high = min(before), max(before)
        margin = _BEYOND * (high - low)
        if low - margin <= value <= high + margin:
            continue
        deviation = median(abs(was - usual) for was in before)
        scale = max(_TO_SIGMA * deviation, _LEVEL_FLOOR * abs(usual))
        z = (value - usual) / scale if scale > 0 else _LARGEST_Z * (1 if value > usual else -1)
        z = max(-_LARGEST_Z, min(_LARGEST_Z, z))
        if abs(z) >= least_z:
            found.append(MetricMove(one, value, usual, z))
    return sorted(
        found,
        key=lambda m: (-abs(m.z), m.series.name, m.series.aspect, m.series.service,
                       m.series.instance, m.series.labels),
    )  # fmt: skip


def covering(values: Sequence[Value], interval: TimeRange) -> list[float]:
    """The values that speak of an interval: those that overlap it, and where none does, the first
    within one usual distance after it."""
    start, end = interval.start_unix_nano, interval.end_unix_nano
    overlapping = [v.value for v in values if v.start_unix_nano < end and v.end_unix_nano >= start]
    if overlapping:
        return overlapping
    times = [v.end_unix_nano for v in values]
    steps = [b - a for a, b in zip(times, times[1:], strict=False) if b > a]
    if not steps:
        return []
    reach = end + round(1.5 * median(steps))
    return [v.value for v in values if end <= v.end_unix_nano <= reach][:1]
