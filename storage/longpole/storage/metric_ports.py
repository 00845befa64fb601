"""What storage promises a reader of metrics as time series: which series there are, and their
points, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from longpole.model.timerange import TimeRange
from longpole.storage.histogram_blocks import HistogramColumn
from longpole.storage.number_points import NumberPoints


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """Series of metrics and the shapes of their points.

    `series` has `answers.KNOWN_SERIES`, each series once, by id. `shapes` has
    `answers.POINT_SHAPES`: for each series, the bounds, quantiles and scale that its points
    have, whether they have a sum, and between which buckets the exponential ones lie (`*_from`
    is the lowest offset, `*_to` the highest offset plus length).
    """

    series: pa.Table
    shapes: pa.Table


class MetricReader(Protocol):
    """Reads metrics as they were sent."""

    def metric_series(self, time: TimeRange, is_exact: bool) -> MetricSeries:
        """Series with a point in that time. Unless `is_exact`, series and shapes that lie near
        to it may be among them, which is found much quicker."""
        ...

    def series_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[str], most: int
    ) -> pa.Table:
        """Points of those series: `place` (int32, the number of the series in `series_ids`,
        which are distinct), `time_unix_nano`, then the columns of `answers.POINT_COLUMNS`,
        `value` or `exemplars` asked for. By place and millisecond; of those in the same one,
        what arrived first comes first. At most `most` + 1 rows, so that a reader sees that
        there are more; which ones of these is not said."""
        ...

    def number_points(self, series_ids: Sequence[int], time: TimeRange, most: int) -> NumberPoints:
        """The numbers of those series (gauges and sums; ids are distinct), a column for each. With
        more than `most` points only their count, which may then stop counting early."""
        ...

    def histogram_points(
        self, series_ids: Sequence[int], time: TimeRange, columns: Sequence[HistogramColumn],
        most: int,
    ) -> Sequence[NumberPoints]:  # fmt: skip
        """What the explicit histograms of those series say (ids are distinct), for each column:
        their `count`, their `sum`, or the measurements at or below an upper bound, from points that
        have such a bound. Nothing at all when these are more than `most` points together."""
        ...

    def resource_times(self, time: TimeRange, step_ns: int) -> pa.Table:
        """When resources sent points, in the columns of `answers.RESOURCE_TIMES`: the last time
        in each step (which begins at a multiple of `step_ns`), by resource and time."""
        ...
