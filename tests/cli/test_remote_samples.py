"""`longpole rules eval` against a server reads the samples that the server has."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.vectors import Vector
from longpole.cli.remote_samples import remote_histogram
from longpole.cli.rule_evaluation import RemoteSeries
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import ManualClock
from tests.analyzer.promql.made_histograms import made_histograms
from tests.analyzer.promql.made_series import made_series
from tests.grafana.client import Client

START_MS = 1_700_000_000_000
SERIES = [*made_histograms(START_MS), *made_series(START_MS)]
NAMES = sorted({dict(one.labels)["__name__"] for one in SERIES})


@pytest.mark.parametrize(
    "query",
    [
        "histogram_quantile(0.9, {})", "histogram_sum({})", "rate({}[5m])",
        "count_over_time({}[9m])", "histogram_count(rate({}[5m]))", "histogram_fraction(-1, 2, {})",
    ],
)  # fmt: skip
def test_rules_yield_the_same_over_the_api_as_at_the_server(query: str) -> None:
    catalog = MemoryCatalog(SERIES)
    app = Starlette(routes=[Mount("/prometheus", prometheus_app(Asking(catalog, ManualClock())))])
    dialect = Client(app)

    def answered(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Type": request.headers["Content-Type"]}
        got = dialect.send("POST", request.url.path, content=request.content, headers=headers)
        return httpx.Response(got.status_code, content=got.content)

    client = httpx.Client(transport=httpx.MockTransport(answered), base_url="http://there")
    remote = RemoteSeries(client)
    at_ms = START_MS + 31 * 60_000
    kept = 0
    for name in NAMES:
        expression = parse(query.replace("{}", name))
        there, here = (
            evaluate(expression, source, Steps(at_ms, at_ms), Settings(), lambda: 0.0)
            for source in (catalog, remote)
        )
        assert isinstance(there, Vector)
        assert isinstance(here, Vector)
        assert here.labels == there.labels
        assert np.allclose(here.values, there.values, rtol=1e-9, equal_nan=True), name
        assert (here.histograms is None) == (there.histograms is None)
        kept += len(there.labels)
    assert kept > 0


@pytest.mark.parametrize(
    "bad",
    [
        {}, {"count": "1"}, {"count": "x", "sum": "1"},
        {"count": "1", "sum": "1", "buckets": [[0, "1", "1", "1"]]},
    ],
)  # fmt: skip
def test_what_is_no_histogram_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        remote_histogram(bad)
