"""Metric series: stored points as values over stretches of time, whatever kind they were.

A gauge has a value at a moment. A sum that only grows becomes a rate per second between two
points, a sum that also falls (connections in use) is read like a gauge. A histogram gives two
series: how many observations a second, and their mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from longpole.analyzer.correlation.log_lines import instance_of
from longpole.analyzer.json_text import object_of
from longpole.storage.ports import MetricPoints

_SECOND_NS = 1_000_000_000
_CUMULATIVE = 2
_DELTA = 1


class Value(NamedTuple):
    """What a series was from `start_unix_nano` to `end_unix_nano`; equal for a gauge."""

    start_unix_nano: int
    end_unix_nano: int
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one resource, values by time. `aspect` is `value`, `rate` (a second) or
    `mean`; `labels` are its own attributes as text."""

    name: str
    aspect: str
    unit: str
    service: str
    instance: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    values: tuple[Value, ...]


def series_of(found: MetricPoints) -> list[Series]:
    """Every series that has values; points out of order are sorted, repeated ones taken once, and
    numbers that are none left out."""
    points: dict[int, list[_Point]] = {}
    names = ("series", "start_unix_nano", "time_unix_nano", "value", "count", "sum")
    for series, *rest in zip(
        *(found.points.column(name).to_pylist() for name in names), strict=True
    ):
        points.setdefault(series, []).append(_Point(*rest))
    made = []
    for number, row in enumerate(found.series.to_pylist()):
        own = sorted(set(points.get(number, ())), key=lambda p: (p.time, p.start, repr(p)))
        for aspect, values in _aspects(row, own):
            if values:
                made.append(
                    Series(
                        row["name"], aspect, row["unit"] or "", row["service_name"],
                        instance_of(object_of(row["resource"])),
                        tuple(sorted((k, str(v)) for k, v in object_of(row["attributes"]).items())),
                        tuple(values),
                    )
                )  # fmt: skip
    return made


class _Point(NamedTuple):
    start: int
    time: int
    value: float | None
    observations: int | None
    total: float | None


def _aspects(row: Mapping[str, Any], points: Sequence[_Point]) -> Iterator[tuple[str, list[Value]]]:
    kind, temporality = row["type"], row["temporality"]
    if kind == "gauge" or (kind == "sum" and not row["is_monotonic"]):
        if kind == "sum" and temporality == _DELTA:
            return  # changes of an unknown level
        yield (
            "value",
            [
                Value(p.time, p.time, p.value)
                for p in points
                if p.value is not None and isfinite(p.value)
            ],
        )
    elif kind == "sum":
        yield "rate", list(_rates(points, temporality))
    elif kind in ("histogram", "exponential_histogram", "summary"):
        # A summary has no temporality; its count and sum grow from the start.
        grown = list(_grown(points, temporality or _CUMULATIVE))
        yield "rate", [Value(a, b, n * _SECOND_NS / (b - a)) for a, b, n, _ in grown]
        yield "mean", [Value(a, b, total / n) for a, b, n, total in grown if n > 0]


def _rates(points: Sequence[_Point], temporality: int) -> Iterator[Value]:
    counted = [p._replace(observations=0, total=p.value) for p in points if p.value is not None]
    for start, end, _, total in _grown(counted, temporality):
        yield Value(start, end, total * _SECOND_NS / (end - start))


def _grown(points: Sequence[_Point], temporality: int) -> Iterator[tuple[int, int, int, float]]:
    """(from, to, observations, sum) between points; a cumulative series that fell began anew."""
    before: _Point | None = None
    for point in points:
        count, total = point.observations or 0, point.total or 0.0
        if not isfinite(total):
            continue
        if temporality == _DELTA:
            start = point.start or (before.time if before else 0)
            if start and start < point.time:
                yield start, point.time, count, total
        elif before is not None and before.time < point.time:
            was, had = before.observations or 0, before.total or 0.0
            if count < was or total < had or point.start > before.time:
                was, had = 0, 0.0
            yield before.time, point.time, count - was, total - had
        before = point
