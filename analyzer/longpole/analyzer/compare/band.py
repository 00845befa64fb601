"""The statistic that is compared: the mean of all traces, or of those around a percentile."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from longpole.analyzer.compare.sample import Ints, Sample

# Ranks on both sides of a percentile, in parts of a hundred, whose traces are its band.
_HALF_WIDTH = {50: 2.5, 95: 2.5, 99: 0.5}


class Statistic(StrEnum):
    """What of the durations is compared."""

    MEAN = "mean"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"

    @property
    def percent(self) -> int | None:
        """The percentile; None for the mean."""
        return None if self is Statistic.MEAN else int(self.value[1:])


def in_band(sample: Sample, statistic: Statistic) -> Sample:
    """The traces whose mean duration stands for the statistic: all of them for the mean, those
    whose ranks are around the percentile otherwise, one at least. Ties go by trace id."""
    percent = statistic.percent
    if percent is None or not len(sample):
        return sample
    ids = [trace_id & ((1 << 63) - 1) for trace_id in sample.trace_ids]
    order = np.lexsort((np.array(ids, np.int64), sample.duration_ns))
    first, last = _ranks(len(sample), percent)
    return sample.chosen(np.sort(order[first - 1 : last]).astype(np.int64))


def _ranks(count: int, percent: int) -> tuple[int, int]:
    half = _HALF_WIDTH[percent]
    middle = nearest_rank(count, percent)
    first = min(middle, int(count * (percent - half) / 100) + 1)
    return max(1, first), min(count, max(middle, int(count * (percent + half) / 100)))


def nearest_rank(count: int, percent: int) -> int:
    """The rank, from 1, of the smallest value that `percent` of `count` do not exceed."""
    return max(1, -(-count * percent // 100))


def percentile_ns(durations: Ints, percent: int) -> int | None:
    """The nearest-rank percentile; None without values."""
    if not durations.size:
        return None
    return int(np.sort(durations)[nearest_rank(durations.size, percent) - 1])
