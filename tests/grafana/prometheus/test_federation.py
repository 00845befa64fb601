"""`/federate` in Prometheus' text format, read back by its own client library."""

from __future__ import annotations

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.series import STALE_BITS, Series, labels_of
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import ManualClock
from tests.grafana.client import Client

CLOCK = ManualClock()
NOW = CLOCK.now_unix_nano() // 10**6
STALE = np.array([STALE_BITS], np.uint64).view(np.float64)[0]


def series(name: str, last: float, ago_ms: int = 1_000, **labels: str) -> Series:
    times = np.array([NOW - ago_ms - 30_000, NOW - ago_ms], np.int64)
    return Series(labels_of({"__name__": name, **labels}), times, np.array([1.0, last]))


def federated(*found: Series, match: str = '{__name__=~".+"}') -> list[tuple[object, ...]]:
    client = Client(prometheus_app(Asking(MemoryCatalog(found), CLOCK)))
    answer = client.get("/federate", {"match[]": match})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return [
        (one.name, one.labels, one.value, round(float(str(one.timestamp)) * 1000))
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    ]


def test_each_series_comes_with_its_newest_sample_and_its_time() -> None:
    hostile = 'a "quoted" \\ line\nand <b>'
    assert federated(series("b", 2.5), series("a", 3, 5_000, x=hostile)) == [
        ("a", {"x": hostile}, 3, NOW - 5_000),
        ("b", {}, 2.5, NOW - 1_000),
    ]


def test_what_ended_is_old_or_does_not_match_is_left_out() -> None:
    found = federated(
        series("kept", 1), series("ended", STALE), series("old", 1, 400_000), series("other", 1),
        match='{__name__=~"kept|ended|old"}',
    )  # fmt: skip
    assert [name for name, *_ in found] == ["kept"]


def test_infinite_values_and_none_have_their_words() -> None:
    values = [value for _, _, value, _ in federated(series("a", np.inf), series("b", -np.inf))]
    assert values == [np.inf, -np.inf]
    ((_, _, value, _),) = federated(series("c", np.nan))
    assert value != value


def test_without_a_selector_it_is_refused() -> None:
    client = Client(prometheus_app(Asking(MemoryCatalog(), CLOCK)))
    assert client.get("/federate").status_code == 400
    assert client.get("/federate", {"match[]": "{"}).status_code == 400
