"""Pauses by the metrics of runtimes: what is read of them, and what they add to spans."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.findings.window.measured_pauses import MeasuredPause, measured_pauses
from longpole.analyzer.findings.window.pauses import DETECTOR
from longpole.storage.ports import MetricPoints
from tests.analyzer.findings.window.scenes import BEGIN_NS, CLIENT, MS, SERVER, Scene

S = 1_000_000_000
BOUNDS = [0.01, 0.25, 0.5, 1.0, 2.5]
# start and end in seconds, count, sum, max, buckets
Point = tuple[float, float, int, float, float | None, list[int]]


def measured(
    *points: Point,
    name: str = "cpython.gc.duration",
    unit: str = "s",
    temporality: int = 2,
    labels: dict[str, str] | None = None,
) -> list[tuple[float, float, int, float]]:
    """(after, until, how many, the longest), in seconds, of one series of `ship` with these."""
    columns = list(zip(*points, strict=True))
    table = pa.table(
        {
            "series": [0] * len(points),
            "start_unix_nano": [round(at * S) for at in columns[0]],
            "time_unix_nano": [round(at * S) for at in columns[1]],
            "count": columns[2],
            "sum": columns[3],
            "max": columns[4],
            "explicit_bounds": [BOUNDS] * len(points),
            "bucket_counts": columns[5],
        }
    )
    series = pa.table(
        {
            "name": [name],
            "unit": [unit],
            "temporality": [temporality],
            "service_name": ["ship"],
            "attributes": [json.dumps(labels or {})],
            "resource": [json.dumps({"service.instance.id": "ship-1", "host.name": "n"})],
        }
    )
    found = measured_pauses(MetricPoints(table, series), 300 * MS)
    assert all((one.service, one.instance, one.metric) == ("ship", "ship-1", name) for one in found)
    return [(p.begin / S, p.end / S, p.count, p.longest_ns / S) for p in found]


def test_pauses_are_what_a_histogram_grew_by() -> None:
    assert measured(
        (10, 20, 1, 1.2, 1.2, [0, 0, 0, 0, 1, 0]),
        (10, 30, 1, 1.2, 1.2, [0, 0, 0, 0, 1, 0]),
        (10, 40, 3, 3.0, 1.2, [0, 0, 0, 2, 1, 0]),
    ) == [(8.8, 20, 1, 1.2), (30, 40, 2, 0.9)]


def test_one_long_pause_is_seen_among_many_short_ones() -> None:
    assert measured(
        (1, 20, 100, 0.5, 0.009, [100, 0, 0, 0, 0, 0]),
        (1, 30, 201, 1.7, 0.7, [200, 0, 0, 1, 0, 0]),
    ) == [(20, 30, 1, 0.7)]


def test_deltas_count_by_themselves() -> None:
    points = [
        (1.0, 20.0, 1, 0.4, None, [0, 0, 1, 0, 0, 0]),
        (20.0, 30.0, 1, 0.4, None, [0, 0, 1, 0, 0, 0]),
    ]
    assert measured(*points, temporality=1)[1:] == [(20, 30, 1, 0.4)]


def test_a_process_that_began_anew_is_counted_from_there() -> None:
    assert measured(
        (1, 20, 5, 0.1, 0.02, [0, 5, 0, 0, 0, 0]), (21, 30, 1, 0.6, 0.6, [0, 0, 0, 1, 0, 0])
    ) == [(21, 30, 1, 0.6)]


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("work beside the program", {"labels": {"jvm.gc.name": "G1 Concurrent GC"}}),
        ("cycles of ZGC", {"labels": {"jvm.gc.name": "ZGC Cycles"}}),
        ("no time", {"unit": "By"}),
        ("thousandths", {"unit": "ms"}),
    ],
)
def test_what_is_no_long_pause(why: str, changed: dict[str, object]) -> None:
    point = (10, 20, 1, 1.2, 1.2, [0, 0, 0, 0, 1, 0])
    assert measured(point, name="jvm.gc.duration", **changed) == [], why  # type: ignore[arg-type]


@pytest.mark.parametrize("total", [float("nan"), float("inf"), -1.0, 0.0])
def test_sums_that_no_process_can_measure_say_nothing(total: float) -> None:
    assert measured((10, 20, 1, total, None, [1, 0, 0, 0, 0, 0])) == []


def shop() -> Scene:
    """`ship` stands still from 2.01 to 3.21 s and one request is asked for meanwhile; three other
    services go on."""
    scene = Scene()
    for number, at in enumerate(range(0, 20_000, 200)):
        for place, service in enumerate(("b", "c", "d")):
            scene.add(4 * number + 2 + place, at + 7, at + 30, service, f"GET /{service}")
    for number, asked, taken in ((1, 1_900, 1_902), (5, 3_100, 3_212), (9, 5_000, 5_002)):
        call = scene.add(number, asked, taken + 30, "a", "ship", CLIENT)
        scene.add(
            number, taken, taken + 25, "ship", "POST /ship", SERVER, parent=call,
            resource={"service.instance.id": "ship-1"},
        )  # fmt: skip
    return scene


def pause(begin_ms: int, end_ms: int, *, instance: str = "ship-1", count: int = 1) -> MeasuredPause:
    begin, end = BEGIN_NS + begin_ms * MS, BEGIN_NS + end_ms * MS
    return MeasuredPause("ship", instance, "cpython.gc.duration", begin, end, count, 1_150 * MS)


@pytest.mark.parametrize(
    ("why", "pauses"),
    [
        ("nothing measured", ()),
        ("measured once only", (pause(2_500, 7_000),)),
        ("at another time", (pause(6_000, 9_000), pause(12_000, 19_000))),
        ("by another process", (pause(2_500, 7_000, instance="ship-2", count=2),)),
    ],
)
def test_one_late_request_is_no_pause(why: str, pauses: tuple[MeasuredPause, ...]) -> None:
    window = replace(shop().window(), measured=pauses)
    assert list(DETECTOR.look(window, Thresholds())) == [], why


def test_one_late_request_is_witness_of_pauses_that_the_process_measured() -> None:
    window = replace(shop().window(), measured=(pause(2_500, 7_000), pause(7_000, 12_000)))
    (found,) = DETECTOR.look(window, Thresholds())
    assert (found.service, found.operation, found.severity) == ("ship", "POST /ship", "warning")
    assert "(cpython.gc.duration) collecting garbage stopped it 2 times, for up to 1.15 s" in (
        found.reason
    )
    assert "at least 112 ms: 1 request waited for it, while" in found.reason
    assert found.excess_ns == (112 * MS,)
