"""Both answer the same requests over the same series: our dialect, and a real Prometheus 3.5.

Bodies are equal, numbers within rounding. In `requests.txt`, `T` and `S` are times, and `~` marks
errors whose words differ: parse errors are worded by our own parser, at the same places where it
can say; their status and type are equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import SystemClock
from tests.analyzer.promql.made_series import made_series
from tests.analyzer.promql.prometheus_peer import PROGRAM, Prometheus, running
from tests.flow.tools import requires
from tests.grafana.client import Client

MINUTE_MS = 60_000
REQUESTS = Path(__file__).with_name("requests.txt").read_text().splitlines()
CORPUS = (Path(__file__).parents[2] / "analyzer/promql/corpus.txt").read_text().splitlines()
LONG = "a" * 70
LAID_OUT = [
    f"sum by(job)(rate({LONG}[5m] offset 1h))/on(job) group_left(x) sum without(i)(rate(b[5m]))",
    f'histogram_quantile(0.99,sum by(le)(rate({LONG}{{job="x"}}[5m])))>0.5 and on() vector(1)',
    f"-(sum({LONG}) + {LONG})",
    f"max_over_time((sum({LONG})+{LONG})[5m:1m] offset 1d)",
    f"topk(5, sum by (a,b,c) (max by (a) ({LONG})))",
    "foo @ 1609746000.5 offset -90m", '{"a.b","c.d"="x"}', 'foo{a="\\n\\t\\u00e9\\u200b\\x01"}',
    'sum by ("a.b") (foo)', "foo[1w2d]", "foo[400d]", "1e10+0x1F+Inf+NaN+1e-9",
]  # fmt: skip
# We keep no trace of how these were written: `{"m"}` is `m`, and a duration is its seconds.
SAID_OTHERWISE = {
    '{__name__="memory_bytes"}', '{"memory_bytes", job="web"}', "1h30m",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Both:
    """The peer and our dialect, with the same series."""

    peer: Prometheus
    dialect: Client
    start_ms: int

    def url(self, line: str) -> str:
        path, _, query = line.partition(" ")
        at = {"T": self.start_ms + 45 * MINUTE_MS, "S": self.start_ms + 30 * MINUTE_MS}
        for letter, ms in at.items():
            query = query.replace(f"={letter}", f"={ms / 1000}")
        return f"/api/v1/{path}?{quote(query, safe='%=&[]+:')}"

    def answers(self, url: str) -> tuple[httpx.Response, httpx.Response]:
        return self.dialect.get(url), self.peer.get(url)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    requires("sh", PROGRAM)
    start_ms = SystemClock().now_unix_nano() // 10**6 - 70 * MINUTE_MS
    start_ms -= start_ms % MINUTE_MS
    series = made_series(start_ms)
    with running(PROGRAM, tmp_path_factory.mktemp("prometheus")) as peer:
        peer.write(series)
        dialect = Client(prometheus_app(Asking(MemoryCatalog(series), SystemClock())))
        yield Both(peer, dialect, start_ms)


def test_bodies_and_statuses_are_those_of_prometheus(both: Both) -> None:
    differing = []
    for line in REQUESTS:
        ours, theirs = both.answers(both.url(line.removeprefix("~")))
        is_same = ours.status_code == theirs.status_code
        mine, other = ours.json(), theirs.json()
        if line.startswith("~"):
            is_same &= (mine["status"], mine["errorType"]) == ("error", other["errorType"])
        else:
            is_same &= agree(mine, other) and list(mine) == list(other)
        if not is_same or ours.headers["content-type"] != theirs.headers["content-type"]:
            differing.append((line, ours.text[:300], theirs.text[:300]))
    assert not differing


def test_samples_are_written_with_the_same_bytes(both: Both) -> None:
    for query in ("odd", "memory_bytes", "odd * 1e-17", "odd * 1e13", "odd[5m]"):
        for line in (
            f"query query={query}&time=T",
            f"query_range query={query}&start=S&end=T&step=7.5",
        ):
            ours, theirs = both.answers(both.url(line))
            assert ours.content == theirs.content.rstrip(b"\n"), query


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.full) for part in range(1, 6))]
)
def test_queries_are_formatted_alike(both: Both, part: int) -> None:
    differing = []
    for query in [*LAID_OUT, *CORPUS[part::6]]:
        ours, theirs = both.answers(f"/api/v1/format_query?{urlencode({'query': query})}")
        if query not in SAID_OTHERWISE and ours.json() != theirs.json():
            differing.append((ours.json(), theirs.json()))
    assert not differing


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.full) for part in range(1, 6))]
)
def test_queries_are_parsed_to_the_same_tree(both: Both, part: int) -> None:
    differing = []
    for query in [*LAID_OUT, *CORPUS[part::6]]:
        ours, theirs = both.answers(f"/api/v1/parse_query?{urlencode({'query': query})}")
        if query not in SAID_OTHERWISE and ours.json() != theirs.json():
            differing.append((query, ours.json(), theirs.json()))
    assert not differing


def agree(ours: Any, theirs: Any) -> bool:
    """Equal documents; texts of numbers within rounding."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(agree(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
        try:
            return math.isclose(float(ours), float(theirs), rel_tol=1e-9)
        except ValueError:
            return False
    return bool(ours == theirs)
