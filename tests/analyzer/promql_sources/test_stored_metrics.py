"""Stored metric points read as Prometheus series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.series import is_stale
from longpole.analyzer.promql.vectors import Vector
from longpole.analyzer.promql_sources.stored_metrics import StoredMetrics
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog
from longpole.formats import otlp
from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.memory import MemoryStore
from tests.analyzer.promql_sources import otlp_examples as examples

MIDNIGHT = 1_750_032_000
START = (MIDNIGHT + 36_000) * examples.SECOND
START_MS = START // 1_000_000
HOUR_MS = 3_600_000


def catalog_of(*requests: Any, promoted: Sequence[str] = ("service.name",)) -> JoinedCatalog:
    store = MemoryStore(ManualClock())
    for one in requests:
        telemetry = otlp.decode(Signal.METRICS, one.SerializeToString())
        store.submit(telemetry, START).result()
    return JoinedCatalog([StoredMetrics(store, promoted)])


def named(name: str) -> Matcher:
    return Matcher("__name__", MatchOp.EQUAL, name)


def values(catalog: JoinedCatalog, query: str, at_ms: int) -> dict[str, float]:
    """An instant query; the values by what tells the series apart."""
    found = evaluate(parse(query), catalog, Steps(at_ms, at_ms), Settings(), lambda: 0.0)
    assert isinstance(found, Vector)
    return {
        ",".join(value for _, value in labels): row[0]
        for labels, row in zip(found.labels, found.values.tolist(), strict=True)
    }


def deltas(*counts: int, first_s: int, step_s: int = 15) -> Any:
    """A delta sum; each point counts since the one before."""
    made, metrics = examples.request({"service.name": "shop"})
    data = metrics.add(name="served").sum
    data.aggregation_temporality, data.is_monotonic = examples.DELTA, True
    for place, count in enumerate(counts):
        end = (first_s + place * step_s) * examples.SECOND
        begin = end - step_s * examples.SECOND
        data.data_points.add(time_unix_nano=end, start_time_unix_nano=begin, as_int=count)
    return made


def test_deltas_become_a_counter_that_begins_with_nothing() -> None:
    first = START // examples.SECOND
    catalog = catalog_of(deltas(2, 1, 4, first_s=first))
    (found,) = catalog.select([named("served_total")], START_MS - HOUR_MS, START_MS + HOUR_MS, 99)
    assert found.values.tolist() == [0, 2, 3, 7]
    assert (found.times_ms - START_MS).tolist() == [-15_000, 0, 15_000, 30_000]


def test_a_counter_of_deltas_does_not_depend_on_what_is_asked() -> None:
    first = START // examples.SECOND
    catalog = catalog_of(deltas(*range(1, 200), first_s=first))
    everything = catalog.select(
        [named("served_total")], START_MS - HOUR_MS, START_MS + HOUR_MS, 999
    )
    for after in (START_MS + 15_000, START_MS + 1_000_000):
        (found,) = catalog.select([named("served_total")], after, after + 60_000, 999)
        held = slice(*np.searchsorted(everything[0].times_ms, [after, after + 60_000], "right"))
        assert found.values.tolist() == everything[0].values[held].tolist()


def test_an_increase_over_midnight_loses_nothing() -> None:
    # The first delta of the new day is larger than all of the day before.
    first = MIDNIGHT + 86_400 - 30
    catalog = catalog_of(deltas(1, 1, 50, 3, first_s=first))
    at = (first + 45) * 1000
    grown = values(catalog, "resets(served_total[2m])", at)
    assert list(grown.values()) == [1.0]
    (found,) = catalog.select([named("served_total")], at - 120_000, at, 99)
    rises = np.diff(found.values, prepend=0.0)
    assert float(rises[rises > 0].sum()) == 55
    assert 0.0 in found.values[1:].tolist()


def test_no_recorded_value_ends_a_series() -> None:
    catalog = catalog_of(*(examples.moving(START, step, 2) for step in range(12)))
    (found,) = catalog.select([named("served_total")], START_MS - 1, START_MS + HOUR_MS, 99)
    assert np.flatnonzero(is_stale(found.values)).tolist() == [7, 8]
    assert values(catalog, "served_total", START_MS + 8 * 15_000) == {}


def test_quantiles_of_an_exponential_histogram_are_near_to_the_values_sent() -> None:
    made, metrics = examples.request({"service.name": "shop"})
    data = metrics.add(name="took", unit="s").exponential_histogram
    data.aggregation_temporality = examples.DELTA
    seconds = np.exp(np.random.default_rng(1).normal(-1, 1, 5_000))
    scale = 5
    index = np.ceil(np.log2(seconds) * 2**scale).astype(int) - 1
    for place, part in enumerate(np.array_split(index, 20)):
        at = START + (place + 1) * examples.STEP
        point = data.data_points.add(time_unix_nano=at, start_time_unix_nano=at - examples.STEP,
                                     scale=scale, count=len(part))  # fmt: skip
        point.positive.offset = int(part.min())
        point.positive.bucket_counts.extend(np.bincount(part - part.min()).tolist())
    catalog = catalog_of(made)
    end = START_MS + 20 * 15_000
    for quantile in (0.1, 0.5, 0.9, 0.99):
        query = f"histogram_quantile({quantile}, rate(took_seconds_bucket[10m]))"
        (found,) = values(catalog, query, end).values()
        assert found == pytest.approx(np.quantile(seconds, quantile), rel=0.05)
    (count,) = values(catalog, "took_seconds_count", end).values()
    assert count == 5_000


@pytest.mark.parametrize(
    ("selector", "units"),
    [
        ('{unit="By"}', {"By"}), ('{unit!="By", unit!=""}', None),
        ('{unit=~"B.*", kind="gauge"}', {"By", "By/s"}), ('{unit=~"B"}', set()),
        ('{unit=~".+", unit!~".*B.*|.*s"}', None), ('{__name__=~"disk.*"}', {"By/s"}),
        ('{unit="By", missing=""}', {"By"}), ('{unit="By", missing!=""}', set()),
    ],
)  # fmt: skip
def test_matchers_choose_series(selector: str, units: set[str] | None) -> None:
    catalog = catalog_of(examples.named(START))
    matchers = parse(selector).matchers  # type: ignore[union-attr]
    found = catalog.series(matchers, START_MS - 1, START_MS, 0)
    shown = {dict(labels).get("unit", "") for labels in found}
    every = {unit for _, unit in examples.NAMES}
    if units is None:
        units = every - {"By", ""} if "!=" in selector.split(",")[0] else {
            unit for unit in every if unit and "B" not in unit and not unit.endswith("s")
        }  # fmt: skip
    assert shown == units
    selected = catalog.select(matchers, START_MS - 1, START_MS, 999)
    assert [one.labels for one in selected] == list(found)


def test_names_and_values_of_labels_are_those_of_the_time_asked() -> None:
    catalog = catalog_of(examples.named(START), examples.summaries(START + 10**12, 9))
    early, late = (START_MS - 1, START_MS), (START_MS + 10**6 - 1, START_MS + HOUR_MS)
    assert "quantile" not in catalog.label_names((), *early, 0)
    assert catalog.label_values("quantile", (), *late, 0) == ["0.5", "0.99", "1"]
    assert catalog.label_values("job", (), *early, 0) == ["names"]
    assert catalog.label_values("job", (), *late, 0) == ["summed"]
    assert len(catalog.label_values("__name__", (), *early, 3)) == 3


def test_recorded_series_come_back_as_they_were_written() -> None:
    made, metrics = examples.request({"longpole.recorded": True, "service.name": "rules"})
    gauge = metrics.add(name="job:errors:rate5m", unit="1").gauge
    for place, flags in enumerate((0, 0, 1)):
        point = gauge.data_points.add(time_unix_nano=START + place * examples.STEP, flags=flags)
        if not flags:
            point.as_double = place + 0.5
        examples.add_attributes(point.attributes, {"job": "shop", "le": "x", "odd.name": "y"})
    (found,) = catalog_of(made).select((), START_MS - 1, START_MS + HOUR_MS, 99)
    assert found.labels == (
        ("__name__", "job:errors:rate5m"), ("job", "shop"), ("le", "x"), ("odd.name", "y"),
    )  # fmt: skip
    assert is_stale(found.values).tolist() == [False, False, True]


def test_the_same_labels_from_two_senders_are_one_series() -> None:
    twice = [examples.named(START), examples.named(START + examples.STEP)]
    for metric in twice[1].resource_metrics[0].scope_metrics[0].metrics:
        metric.description = "said otherwise"
    catalog = catalog_of(*twice)
    found = catalog.select([named("memory_usage_bytes")], START_MS - 1, START_MS + HOUR_MS, 99)
    assert [len(one.times_ms) for one in found] == [2, 2]


def test_too_many_samples_are_refused_before_they_are_made() -> None:
    catalog = catalog_of(*(examples.moving(START, step, 2) for step in range(12)))
    ends = START_MS - 1, START_MS + HOUR_MS
    exact = sum(len(one.times_ms) for one in catalog.select((), *ends, 10_000))
    assert len(catalog.select((), *ends, exact)) > 5
    with pytest.raises(TooMuch, match="too many samples"):
        catalog.select((), *ends, exact - 1)


def test_exemplars_lie_in_the_bucket_of_their_value() -> None:
    made = examples.moving(START, 0, 2)
    point = made.resource_metrics[0].scope_metrics[0].metrics[1].histogram.data_points[0]
    exemplar = point.exemplars.add(time_unix_nano=START, as_double=1.5, trace_id=b"\1" * 16)
    examples.add_attributes(exemplar.filtered_attributes, {"user": "u1"})
    (found,) = catalog_of(made).exemplars([named("took_seconds_bucket")], START_MS - 1, START_MS)
    assert dict(found.labels)["le"] == "2.5"
    (kept,) = found.exemplars
    assert (dict(kept.labels), kept.value) == ({"trace_id": "01" * 16, "user": "u1"}, 1.5)
