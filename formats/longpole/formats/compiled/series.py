"""The series of metric points: their ids, each made once for many requests.

A series comes again with every request of its sender, in the same bytes, so what was made of
the bytes of a point's attributes is remembered for each metric.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
    SummaryDataPoint,
)

from longpole.formats.attributes import AttributeColumns
from longpole.formats.compiled.list_columns import BadText
from longpole.formats.envelope import identity
from longpole.formats.tally import Tally

# The columns of a series between its id and its attributes.
Metric: TypeAlias = tuple[Any, ...]
POINT_TYPES: dict[str, Any] = {
    "gauge": NumberDataPoint,
    "sum": NumberDataPoint,
    "histogram": HistogramDataPoint,
    "exponential_histogram": ExponentialHistogramDataPoint,
    "summary": SummaryDataPoint,
}
TYPE = 3  # which field of a metric names its type

MOST_BYTES = 32 << 20
_BYTES_PER_SERIES, _BYTES_PER_METRIC = 200, 1000  # besides their texts
_LARGEST_REMEMBERED_BYTES = 4 << 10


class SeriesMemory:
    """Ids of series; metrics seen last are remembered. Safe between threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._known: OrderedDict[Metric, dict[bytes, int]] = OrderedDict()
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes."""
        return self._bytes

    def ids(self, metric: Metric, labels: Iterable[bytes]) -> list[int]:
        """The ids of a metric's points, whose attributes are encoded like this. Raises `BadText`
        for attributes that only the reference can judge."""
        known = self._series_of(metric)
        found = []
        for encoded in labels:
            series_id = known.get(encoded)
            if series_id is None:
                series_id = _id(metric, encoded)
                if len(encoded) <= _LARGEST_REMEMBERED_BYTES:
                    self._remember(metric, encoded, series_id)
            found.append(series_id)
        return found

    def _series_of(self, metric: Metric) -> dict[bytes, int]:
        with self._lock:
            known = self._known.get(metric)
            if known is None:
                known = self._known[metric] = {}
                self._bytes += _metric_bytes(metric)
                self._forget()
            else:
                self._known.move_to_end(metric)
            return known

    def _remember(self, metric: Metric, encoded: bytes, series_id: int) -> None:
        with self._lock:
            known = self._known.get(metric)
            if known is None or encoded in known:  # forgotten meanwhile, or made twice
                return
            known[encoded] = series_id
            self._bytes += len(encoded) + _BYTES_PER_SERIES
            self._forget()

    def _forget(self) -> None:
        while self._bytes > self._most_bytes:
            metric, series = self._known.popitem(last=False)
            self._bytes -= _metric_bytes(metric) + sum(map(len, series))
            self._bytes -= _BYTES_PER_SERIES * len(series)


def _metric_bytes(metric: Metric) -> int:
    return _BYTES_PER_METRIC + 4 * sum(len(part) for part in metric if isinstance(part, str))


def _id(metric: Metric, encoded: bytes) -> int:
    # As the reference does it, which would say if anything had to be altered.
    try:
        point = POINT_TYPES[metric[TYPE]].FromString(encoded)
    except DecodeError:
        raise BadText from None
    tally, attributes = Tally(), AttributeColumns()
    attributes.add(point.attributes, tally)
    if tally.problems():
        raise BadText
    return identity(metric, attributes.last_row())
