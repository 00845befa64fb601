"""Both answer the same questions over the same native histograms: ours, and a real Prometheus 3.5,
values, warnings and infos alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import SystemClock
from tests.analyzer.promql.histogram_agreement import agree
from tests.analyzer.promql.made_histograms import made_histograms
from tests.analyzer.promql.prometheus_peer import PROGRAM, Prometheus, running
from tests.flow.tools import requires
from tests.grafana.client import Client

MINUTE_MS = 60_000
CORPUS = Path(__file__).with_name("histogram_corpus.txt").read_text().splitlines()
PARTS = 12


@dataclass(frozen=True, slots=True)
class Both:
    """The peer and our dialect, with the same series."""

    peer: Prometheus
    dialect: Client
    start_ms: int

    def differences(self, query: str) -> list[str]:
        """Where the answers to an instant and a range query differ."""
        after = self.start_ms / 1000
        instant = {"query": query, "time": after + 37 * 60 + 0.007}
        over_time = {"query": query, "start": after + 120, "end": after + 48 * 60, "step": 67}
        urls = [
            f"/api/v1/query?{urlencode(instant)}",
            f"/api/v1/query_range?{urlencode(over_time)}",
        ]
        found = (agree(self.dialect.get(url).json(), self.peer.get(url).json()) for url in urls)
        return [f"{query}: {one[:600]}" for one in found if one]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    requires("sh", PROGRAM)
    start_ms = SystemClock().now_unix_nano() // 10**6 - 55 * MINUTE_MS
    start_ms -= start_ms % MINUTE_MS
    series = made_histograms(start_ms)
    with running(PROGRAM, tmp_path_factory.mktemp("prometheus")) as peer:
        peer.write(series)
        dialect = Client(prometheus_app(Asking(MemoryCatalog(series), SystemClock())))
        yield Both(peer, dialect, start_ms)


def test_the_corpus_is_large() -> None:
    assert len(set(CORPUS)) >= 80


# One part of the corpus with every change, all of it in the whole matrix.
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.full) for part in range(1, PARTS))]
)
def test_answers_are_those_of_prometheus(both: Both, part: int) -> None:
    assert [one for query in CORPUS[part::PARTS] for one in both.differences(query)] == []
