"""Metric moves: what stands out from its own past, for each kind of series."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from longpole.analyzer.correlation.metric_moves import moves_of
from longpole.analyzer.correlation.metric_series import Series, Value, series_of
from longpole.model.timerange import TimeRange
from longpole.storage.ports import MetricPoints

S = 1_000_000_000
BEFORE, NOW = TimeRange(0, 100 * S), TimeRange(105 * S, 106 * S)


def gauge(*values: float, step: int = 10) -> Series:
    """A point every ten seconds from 0 on."""
    points = tuple(Value(n * step * S, n * step * S, v) for n, v in enumerate(values))
    return Series("pool.used", "value", "1", "pay", (), (), points)


def stored(kind: str, temporality: int, is_monotonic: bool, rows: list[dict[str, Any]]) -> Any:
    """What storage finds: one series with these points."""
    empty = {"series": 0, "start_unix_nano": 0, "value": None, "count": None, "sum": None}
    series = {
        "name": "m", "unit": "s", "type": kind, "temporality": temporality,
        "is_monotonic": is_monotonic, "service_name": "pay", "attributes": json.dumps({"a": 1}),
        "resource": json.dumps({"host.name": "h"}),
    }  # fmt: skip
    return MetricPoints(
        pa.Table.from_pylist([empty | row for row in rows]), pa.Table.from_pylist([series])
    )


def values(found: MetricPoints) -> dict[str, list[float]]:
    return {one.aspect: [v.value for v in one.values] for one in series_of(found)}


def test_a_full_pool_stands_out_from_its_past() -> None:
    (move,) = moves_of([gauge(1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 10)], NOW, BEFORE, 6)
    assert (move.value, move.usual) == (10, 1.5)
    assert move.z > 6


@pytest.mark.parametrize(
    "series",
    [
        gauge(1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2),  # as ever
        gauge(1, 9, 1, 2, 1, 9, 1, 2, 1, 9, 1, 10),  # it was as high before
        gauge(*[100] * 11, 103),  # hardly anything
        gauge(1, 2, 1, 50, step=30),  # too little past
        gauge(*[1] * 11),  # nothing around that time
    ],
)
def test_what_does_not_stand_out_is_left_out(series: Series) -> None:
    assert moves_of([series], NOW, BEFORE, 6) == []


def test_a_series_that_never_moved_may_move_far() -> None:
    (move,) = moves_of([gauge(*[0] * 11, 7)], NOW, BEFORE, 6)
    assert move.z == 99
    (fall,) = moves_of([gauge(*[8] * 11, 0)], NOW, BEFORE, 6)
    assert fall.z < -6


@pytest.mark.parametrize("seed", range(30))
def test_noise_alone_hardly_ever_moves(seed: int) -> None:
    random = Random(seed)
    series = [gauge(*(random.gauss(50, 5) for _ in range(12))) for _ in range(50)]
    assert len(moves_of(series, NOW, BEFORE, 6)) <= 1


def test_a_counter_becomes_a_rate_and_survives_a_restart() -> None:
    rows = [{"time_unix_nano": n * 10 * S, "value": v} for n, v in enumerate([5.0, 25, 30, 10])]
    assert values(stored("sum", 2, True, rows)) == {"rate": [2.0, 0.5, 1.0]}


def test_a_delta_counter_is_a_rate_over_its_own_time() -> None:
    rows = [
        {"start_unix_nano": n * 10 * S, "time_unix_nano": (n + 1) * 10 * S, "value": 20.0}
        for n in range(1, 3)
    ]
    assert values(stored("sum", 1, True, rows)) == {"rate": [2.0, 2.0]}


def test_a_histogram_gives_how_many_and_their_mean() -> None:
    rows = [
        {"time_unix_nano": n * 10 * S, "count": c, "sum": s}
        for n, (c, s) in enumerate([(1, 1.0), (11, 6.0), (11, 6.0)])
    ]
    assert values(stored("histogram", 2, False, rows)) == {"rate": [1.0, 0.0], "mean": [0.5]}


def test_points_in_any_order_and_twice_are_the_same_series() -> None:
    rows = [{"time_unix_nano": n * S, "value": float(n)} for n in range(5)]
    shuffled = rows + rows
    Random(3).shuffle(shuffled)
    assert values(stored("gauge", 0, False, shuffled)) == values(stored("gauge", 0, False, rows))


def test_numbers_that_are_none_are_left_out() -> None:
    rows = [{"time_unix_nano": n * S, "value": v} for n, v in enumerate([1.0, float("nan"), 2.0])]
    assert values(stored("gauge", 0, False, rows)) == {"value": [1.0, 2.0]}
