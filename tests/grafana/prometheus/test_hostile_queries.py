"""Queries that would take a server down are refused, with words, before they take memory."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.refusals import TooMuch
from longpole.analyzer.promql.series import Series, labels_of
from longpole.grafana.prometheus.app import MOST_BODY_BYTES, prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import ManualClock
from tests.grafana.client import Client

NOW = 1_700_000_000
TIMES = np.array([NOW * 1000], np.int64)
MEGABYTE = 2**20
# What a refusal may take on the way: the steps of one subquery, not their product with series.
MOST_BYTES = 192 * MEGABYTE


class Vast(MemoryCatalog):
    """A thousand small series, and `vast`, which would be 10^9 samples."""

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        if any(matcher.value == "vast" for matcher in matchers) and most_samples < 10**9:
            raise TooMuch(f"the query reads more than {most_samples} samples")
        return super().select(matchers, after_ms, through_ms, most_samples)


SERIES = [
    Series(labels_of({"__name__": "m", "i": f"{i:04d}", "parity": str(i % 2)}), TIMES, np.ones(1))
    for i in range(1000)
]
DIALECT = Client(prometheus_app(Asking(Vast(SERIES), ManualClock(NOW * 10**9))))
DOUBLED = "m"
for _ in range(30):
    DOUBLED = f'label_replace({DOUBLED},"a","$1$1","a","(.*)")'
DOUBLED = DOUBLED.replace("(m,", '(label_replace(m{i="0001"},"a","xx","",""),')
RANGE = {"start": NOW - 10_000, "end": NOW, "step": 1}


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("m * on () m", 422, "many-to-many matching not allowed"),
        ("m * on (parity) group_left () m", 422, "found duplicate series for the match group"),
        ("sum(vast)", 422, "more than 50000000 samples"),
        ("count_over_time(vast[1y])", 422, "more than 50000000 samples"),
        ("sum(max_over_time(m[100d:1s]))", 422, "are allowed"),
        ("max_over_time(vector(1)[1000y:1ms])", 422, "are allowed"),
        ("(" * 2000 + "m" + ")" * 2000, 400, "nested deeper"),
        ("-" * 60_000 + "1", 400, "nested deeper"),
        ("+".join("1" * 1000), 400, "nested deeper"),
        (DOUBLED, 422, "a label value longer than"),
        ('label_join(m, "x", "' + "y" * 60_000 + '", "i", "i", "i", "i")', 422, "longer than"),
        ('m{i=~"((a{1,100}){1,100}){1,100}"}', 400, "error parsing regexp"),
        ('m{i="' + "x" * 900_000 + '"}', 400, "longer than 65,536 characters"),
        ("m" + "[5m]" * 10_000, 400, "parse error"),
        ("(" * 100_000 + "1" + ")" * 100_000, 400, "longer than 65,536 characters"),
        ("m{" + ",".join(['i!="x"'] * 9_000) + "}", 400, "more than 1,000 matchers"),
        ("m{" + ",".join(['i!="x"'] * 100_000) + "}", 400, "a form has at most"),
        ("m @ 1e300", 400, "timestamp out of bounds"),
        ("m offset 999999999999y", 400, "duration"),
        ("sum_over_time((time() * m)[10d:1s])", 422, "are allowed"),
        ("max_over_time(m[1y:1ms])", 422, "are allowed"),
    ],
)
def test_a_hostile_query_is_refused_with_little_memory(query: str, status: int, words: str) -> None:
    before = peak_bytes()
    answer = DIALECT.post("/api/v1/query", {"query": query})
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text[
        :400
    ]
    assert len(answer.content) < 1000
    assert peak_bytes() - before < MOST_BYTES


def peak_bytes() -> int:
    """The most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_regex_that_others_choke_on_is_answered() -> None:
    pattern = "(" * 20 + "a*" + ")*" * 20 + "b"
    answer = DIALECT.post("/api/v1/query", {"query": f'count(m{{i!~"{pattern}"}})'})
    assert answer.json()["data"]["result"][0]["value"][1] == "1000"


def test_a_matrix_of_too_many_cells_is_refused() -> None:
    few = replace(Asking(Vast(SERIES), ManualClock()).settings.limits, cells=1_000_000)
    asking = Asking(Vast(SERIES), ManualClock(NOW * 10**9))
    asking = replace(asking, settings=replace(asking.settings, limits=few))
    answer = Client(prometheus_app(asking)).get("/api/v1/query_range", {"query": "m", **RANGE})
    assert answer.status_code == 422
    assert "1,000,000 are allowed" in answer.json()["error"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"query": "1", "time": "9" * 400}, "valid timestamp"),
        ({"query": "1", "time": "1e300"}, "valid timestamp"),
        ({"query": "1", "limit": "9" * 5000}, "invalid syntax"),
        ({"query": "1", "timeout": "1" * 500_000}, "valid duration"),
        ({f"f{i}": "1" for i in range(20_000)}, "error parsing form values"),
        ({"query": "x" * MOST_BODY_BYTES}, "a form has at most"),
    ],
    ids=["long", "large", "limit", "timeout", "fields", "body"],
)
def test_parameters_out_of_bounds_are_named_shortly(form: dict[str, Any], words: str) -> None:
    answer = DIALECT.post("/api/v1/query", form)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert len(answer.content) < 1000
