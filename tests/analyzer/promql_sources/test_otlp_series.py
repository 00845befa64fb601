"""OTLP requests make the series, samples and metadata that Prometheus' own translator makes.

Debian's Prometheus is built without its OTLP receiver, so what its translator said is kept here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longpole.analyzer.promql.series import Labels, is_stale, labels_of
from longpole.analyzer.promql_sources.stored_metrics import StoredMetrics
from longpole.analyzer.promql_sources.stored_series import JoinedCatalog
from longpole.formats import otlp
from longpole.model.clock import ManualClock
from longpole.model.signals import Signal
from longpole.storage.memory import MemoryStore
from tests.analyzer.promql_sources import otlp_examples as examples

PEER = json.loads(Path(__file__).with_name("series_of_prometheus.json").read_text())
START = 1_750_000_000 * examples.SECOND
Samples = list[list[Any]]


@pytest.fixture(scope="module")
def catalog() -> JoinedCatalog:
    store = MemoryStore(ManualClock())
    for one in examples.cumulative_requests(START):
        store.submit(otlp.decode(Signal.METRICS, one.SerializeToString()), START).result()
    return JoinedCatalog([StoredMetrics(store)])


def test_series_and_samples_are_those_of_prometheus(catalog: JoinedCatalog) -> None:
    theirs: dict[Labels, Samples] = {labels_of(one["L"]): one["S"] for one in PEER["series"]}
    start_ms = START // 1_000_000
    mine: dict[Labels, Samples] = {}
    for one in catalog.select((), start_ms - 1, start_ms + 3_600_000, 10**6):
        values = zip(one.times_ms.tolist(), one.values.tolist(), is_stale(one.values), strict=True)
        mine[one.labels] = [[at, "stale" if stale else value] for at, value, stale in values]
    assert set(mine) == set(theirs)
    for labels, samples in theirs.items():
        if dict(labels)["__name__"] == "target_info":
            # Theirs has a sample for each request, ours one a minute.
            assert [at for at in mine[labels] if at not in samples] == []
            assert mine[labels][-1] == samples[-1]
        else:
            assert mine[labels] == samples, labels


def test_metadata_is_that_of_prometheus(catalog: JoinedCatalog) -> None:
    mine = {
        (name, one.type, one.help, one.unit)
        for name, entries in catalog.metadata().items()
        for one in entries
    }
    theirs = {
        (name, type_.lower(), help_, unit)
        for name, (type_, help_, unit) in PEER["metadata"].items()
    }
    assert theirs
    assert theirs - mine == set()
