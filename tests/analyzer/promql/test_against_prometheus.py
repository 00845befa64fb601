"""Both evaluate the same expressions over the same series: ours, and a real Prometheus 3.5."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.expressions import AGGREGATIONS, ARITHMETIC, COMPARISONS, SETS
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.series import Labels, Series
from longpole.analyzer.promql.signatures import SIGNATURES
from longpole.analyzer.promql.tokens import Kind, tokens_of
from longpole.analyzer.promql.vectors import Vector
from longpole.model.clock import SystemClock
from longpole.model.problem import LongpoleError
from tests.analyzer.promql.made_series import MadeSource, made_series
from tests.analyzer.promql.prometheus_peer import PROGRAM, Prometheus, running
from tests.flow.tools import requires

MINUTE_MS = 60_000
CORPUS = Path(__file__).with_name("corpus.txt").read_text().splitlines()
# These answer an instant query in an order that means something.
ORDERED = ("sort", "topk", "bottomk")
# A value, or what was wrong: label sets with their samples.
Rows = list[tuple[Labels, list[tuple[int, float]]]]
Said = Rows | str | None


@dataclass(frozen=True, slots=True)
class Both:
    """The peer and our source, with the same series."""

    peer: Prometheus
    series: list[Series]
    start_ms: int

    def ours(self, query: str, steps: Steps) -> Said:
        try:
            found = evaluate(parse(query), MadeSource(self.series), steps, Settings(), lambda: 0.0)
        except LongpoleError:
            return None
        if isinstance(found, str):
            return found
        times = steps.times_ms
        if not isinstance(found, Vector):
            return [((), _samples(times, found))]
        return [
            (labels, _samples(times[here], row[here]))
            for labels, row, here in zip(found.labels, found.values, found.present, strict=True)
        ]

    def theirs(self, query: str, steps: Steps) -> Said:
        if steps.start_ms == steps.end_ms:
            document = self.peer.ask("query", query=query, time=steps.start_ms / 1000)
        else:
            document = self.peer.ask(
                "query_range", query=query, start=steps.start_ms / 1000,
                end=steps.end_ms / 1000, step=steps.step_ms / 1000,
            )  # fmt: skip
        if document["status"] != "success":
            return None
        kind, result = document["data"]["resultType"], document["data"]["result"]
        if kind == "string":
            return str(result[1])
        if kind == "scalar":
            return [((), [_sample(result)])]
        return [
            (tuple(sorted(one["metric"].items())), list(map(_sample, _values(one))))
            for one in result
        ]


def _samples(times: Any, values: Any) -> list[tuple[int, float]]:
    return [(int(at), float(value)) for at, value in zip(times, values, strict=True)]


def _values(one: dict[str, Any]) -> list[list[Any]]:
    return one["values"] if "values" in one else [one["value"]]


def _sample(pair: list[Any]) -> tuple[int, float]:
    return round(pair[0] * 1000), float(pair[1])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    requires("sh", PROGRAM)
    start_ms = SystemClock().now_unix_nano() // 10**6 - 70 * MINUTE_MS
    start_ms -= start_ms % MINUTE_MS
    series = made_series(start_ms)
    with running(PROGRAM, tmp_path_factory.mktemp("prometheus")) as peer:
        peer.write(series)
        yield Both(peer, series, start_ms)


def test_the_peer_has_the_semantics_of_version_3_5() -> None:
    requires("sh", PROGRAM)
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    version = (said.stdout + said.stderr).split("version ")[1].split("+")[0].split(".")
    assert (int(version[0]), int(version[1])) >= (3, 5)


def test_the_corpus_holds_everything_that_the_language_has() -> None:
    assert len(CORPUS) >= 400
    words = {
        t.text.lower() for line in CORPUS for t in tokens_of(line) if t.kind is not Kind.STRING
    }
    everything = {*SIGNATURES, *AGGREGATIONS, *ARITHMETIC, *COMPARISONS, *SETS}
    assert everything - words == set()
    assert {"offset", "@", "bool", "on", "ignoring", "group_left", "group_right", "by", "without",
            "start", "end"} <= words  # fmt: skip


# One part of the corpus with every change, all of it in the whole matrix.
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.full) for part in range(1, 6))]
)
def test_instant_and_range_queries_agree(both: Both, part: int) -> None:
    span = Steps(both.start_ms + 5 * MINUTE_MS, both.start_ms + 60 * MINUTE_MS, 30_000)
    # Between two steps of the series, so that nothing falls together by chance.
    at = both.start_ms + 45 * MINUTE_MS + 7
    differing = []
    for query in CORPUS[part::6]:
        is_ordered = query.startswith(ORDERED)
        for steps, ordered in ((span, False), (Steps(at, at), is_ordered)):
            if not agree(both.ours(query, steps), both.theirs(query, steps), ordered):
                differing.append((query, steps))
    assert not differing


def agree(ours: Said, theirs: Said, is_ordered: bool) -> bool:
    """Equal label sets and times, values within rounding."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return ours == theirs
    if not is_ordered:
        ours, theirs = sorted(ours), sorted(theirs)
    if [labels for labels, _ in ours] != [labels for labels, _ in theirs]:
        return False
    for (_, mine), (_, other) in zip(ours, theirs, strict=True):
        if [at for at, _ in mine] != [at for at, _ in other]:
            return False
        values = ([value for _, value in mine], [value for _, value in other])
        if not np.allclose(*values, rtol=1e-9, atol=1e-12, equal_nan=True):
            return False
    return True
