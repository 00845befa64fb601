"""Pauses that runtimes measure themselves: what their metrics say of collections of garbage.

points of a cumulative histogram    ●────────────────●──────────────●
the process                         ▪▪▪ ▪▪      ▪▪ ▪▪▪▪ ▪▪ ▪▪▪ ▪▪▪▪▪
                                           ╰────╯
                                    a pause ended between two points; when, nobody says
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from longpole.analyzer.json_text import object_of
from longpole.storage.ports import MetricPoints

METRICS: tuple[str, ...] = (
    "cpython.gc.duration", "jvm.gc.duration", "process.runtime.jvm.gc.duration",
    "v8js.gc.duration",
)  # fmt: skip
"""Histograms of the OpenTelemetry conventions, of now and before, and what is named like them."""

INSTANCE: tuple[str, ...] = ("service.instance.id", "host.name", "k8s.pod.name", "container.id")
"""Attributes of a resource that tell two processes of one service apart; the first counts."""

_UNITS_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_CUMULATIVE = 2
_LONGEST_NS = 3_600_000_000_000  # what is said to have lasted longer was measured wrong
# Java's beans of collectors that work beside the program; their time is no pause.
_BESIDE = ("concurrent", "cycles")


@dataclass(frozen=True, slots=True)
class MeasuredPause:
    """`count` pauses of a process that ended after `begin` and not after `end`, the longest of
    them `longest_ns` at least, all as measured by the process itself."""

    service: str
    instance: str
    metric: str
    begin: int
    end: int
    count: int
    longest_ns: int

    def fits(self, begin: int, end: int) -> bool:
        """Whether the longest may lie between these two times, all of it."""
        first_end, last_end = begin + self.longest_ns, end
        return first_end <= last_end and first_end <= self.end and last_end > self.begin


class _Point(NamedTuple):
    time: int
    start: int
    observations: int
    total: float
    most: float | None
    bounds: Sequence[float]
    buckets: Sequence[int]


def measured_pauses(found: MetricPoints, least_ns: int) -> tuple[MeasuredPause, ...]:
    """Pauses of `least_ns` and longer. Points out of order are sorted; what is no histogram of
    finite numbers, has a unit that is none of time, or measures work beside the program, is
    left out."""
    points: dict[int, list[_Point]] = {}
    names = (
        "series", "time_unix_nano", "start_unix_nano", "count", "sum", "max", "explicit_bounds",
        "bucket_counts",
    )  # fmt: skip
    for series, time, start, count, total, most, bounds, buckets in zip(
        *(found.points.column(name).to_pylist() for name in names), strict=True
    ):
        if count is not None and total is not None and isfinite(total):
            point = _Point(time, start or 0, count, total, most, bounds or (), buckets or ())
            points.setdefault(series, []).append(point)
    pauses: list[MeasuredPause] = []
    for number, row in enumerate(found.series.to_pylist()):
        unit_ns = _UNITS_NS.get(row["unit"] or "")
        if unit_ns and row["name"] in METRICS and not _is_beside(object_of(row["attributes"])):
            own = sorted(points.get(number, ()), key=lambda point: point[:2])
            resource = object_of(row["resource"])
            instance = next((str(v) for key in INSTANCE if (v := resource.get(key))), "")
            pauses.extend(
                MeasuredPause(row["service_name"], instance, row["name"], begin, end, count, ns)
                for begin, end, count, ns in _grown(
                    own, row["temporality"] == _CUMULATIVE, unit_ns, least_ns
                )
            )
    return tuple(pauses)


def _grown(
    points: Sequence[_Point], is_cumulative: bool, unit_ns: int, least_ns: int
) -> Iterator[tuple[int, int, int, int]]:
    """(after, until, how many long ones, the longest of them) between points."""
    before: _Point | None = None
    for point in points:
        was = before if is_cumulative else None
        if was is not None and (was.observations > point.observations or point.start > was.time):
            was = None  # the process began anew
        begin = point.start if was is None else was.time
        if before is not None and point.time <= before.time:
            continue
        before = point
        if not 0 < begin < point.time:
            continue  # since when it counts is not known
        count, total = point.observations, point.total
        grown = list(point.buckets)
        highest = point.most
        if was is not None:
            count, total = count - was.observations, total - was.total
            if len(was.buckets) == len(grown):
                grown = [now - then for now, then in zip(grown, was.buckets, strict=True)]
            else:
                grown = []
            # The highest so far says something of this time only when it has risen.
            if highest is None or was.most is None or highest <= was.most:
                highest = None
        if count <= 0 or total <= 0:
            continue
        from_buckets = _at_least(point.bounds, grown)
        longest = max(total / count, highest or 0.0, *(low for low, n in from_buckets if n > 0), 0)
        longest_ns = round(min(longest * unit_ns, _LONGEST_NS)) if isfinite(longest) else 0
        if longest_ns >= least_ns:
            if point is points[0]:
                begin -= longest_ns  # SDKs begin to count when the first one has just ended
            long_ones = sum(n for low, n in from_buckets if n > 0 and low * unit_ns >= least_ns)
            yield begin, point.time, max(1, long_ones), longest_ns


def _at_least(bounds: Sequence[float], buckets: Sequence[int]) -> list[tuple[float, int]]:
    """For each bucket but the lowest: what is in it is longer than that, and how many are."""
    if len(buckets) != len(bounds) + 1:
        return []
    return [
        (low, n) for low, n in zip(bounds, buckets[1:], strict=True) if low > 0 and isfinite(low)
    ]


def _is_beside(attributes: Mapping[str, Any]) -> bool:
    name = str(attributes.get("jvm.gc.name") or attributes.get("gc") or "").lower()
    return any(word in name for word in _BESIDE)
