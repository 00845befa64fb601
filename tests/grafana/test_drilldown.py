"""What Grafana's three Drilldown apps ask, over the hour of the shop: nothing comes back empty.

The apps are not here; the forms of their queries are, with the values that they put in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.grafana.grafana_requests import HOUR, STEP, Grafana
from tests.grafana.shop_with_own_series import grafana

SERVICE = "order-service"
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def shop() -> Iterator[Grafana]:
    with grafana() as found:
        yield found


def get(shop: Grafana, path: str, asked: Mapping[str, Any]) -> Any:
    answer = shop.client.get(path, asked)
    assert answer.status_code == 200, f"{path} {asked}: {answer.text}"
    return answer.json()


def loki(shop: Grafana, path: str, **asked: Any) -> Any:
    times = {"start": (shop.now - HOUR) * 10**9, "end": shop.now * 10**9}
    return get(shop, f"/loki/loki/api/v1/{path}", {**times, **asked})


def lines(shop: Grafana, query: str) -> int:
    """How many lines or series a query of logs brings."""
    data = loki(shop, "query_range", query=query, step=f"{STEP * 1000}ms", limit=100)["data"]
    return sum(len(one["values"]) for one in data["result"])


def test_metrics_drilldown_lists_metrics_and_draws_each_of_them(shop: Grafana) -> None:
    times = {"start": shop.now - HOUR, "end": shop.now}
    names = get(shop, "/prometheus/api/v1/label/__name__/values", times)["data"]
    assert get(shop, "/prometheus/api/v1/metadata", {"limit": 1})["data"]
    drawn = [name for name in names if name.startswith(("traces_", "longpole_collector"))]
    assert len(drawn) > 15
    for name in drawn:
        labels = get(shop, "/prometheus/api/v1/labels", {**times, "match[]": name})["data"]
        assert len(labels) > 1, name
    empty = []
    for name in drawn:
        if name.endswith("_bucket"):
            rate = f"rate({name}{{}}[{4 * STEP}s])"
            queries = [
                f"histogram_quantile(0.99, sum by (le) ({rate}))",
                f"sum by (le) ({rate})",
            ]
        elif name.endswith(("_total", "_count", "_sum")):
            queries = [f"sum(rate({name}{{}}[{4 * STEP}s]))"]
        else:
            queries = [f"avg({name}{{}})", f"min({name}{{}})", f"count({name}{{}})"]
        empty += [query for query in queries if not shop.range(query)]
    assert empty == []


def test_metrics_drilldown_breaks_a_metric_down_by_each_label(shop: Grafana) -> None:
    calls = "traces_spanmetrics_calls_total"
    for label in ("service", "span_name", "span_kind", "status_code"):
        assert shop.range(f'sum by({label}) (rate({calls}{{{label}!=""}}[{4 * STEP}s]))') > 1
        assert shop.values(f"label_values({calls}, {label})")
    assert shop.instant(f'count(count by(service) ({calls}{{service=~"order.*"}}))') == 1


@pytest.mark.parametrize(
    "primary", ["nestedSetParent<0", "true", "kind=server", 'span.db.system.name!=""']
)
def test_traces_drilldown_is_full(shop: Grafana, primary: str) -> None:
    chosen = f"{primary} && true"
    by = "&& resource.service.name != nil} | "
    times = {"start": shop.now - HOUR, "end": shop.now}
    for query in (
        "{} | rate()",
        f"{{{chosen}}} | rate()",
        f"{{{chosen}}} | quantile_over_time(duration, 0.9)",
        f"{{{chosen} {by} rate() by(resource.service.name)",
        f"{{{chosen} {by} quantile_over_time(duration, 0.9) by(resource.service.name)",
        f"{{{chosen}}} | histogram_over_time(duration) with(sample=true)",
        f"{{{chosen}}} | compare({{status = error}}, 10)",
    ):
        step = f"{HOUR}s" if "compare" in query else "60s"
        found = get(shop, "/tempo/api/metrics/query_range", {"q": query, "step": step, **times})
        assert any(
            float(sample.get("value", 0)) > 0
            for one in found["series"]
            for sample in one["samples"]
        ), query
    failed = "{status = error} | select(resource.service.name, name, nestedSetParent)"
    asked = {"q": failed, "limit": 200, "spss": 10, **times}
    assert get(shop, "/tempo/api/search", asked)["traces"]


def test_logs_drilldown_shows_services_by_volume(shop: Grafana) -> None:
    query = "{service_name=~`.+`}"
    volume = loki(shop, "index/volume", query=query, targetLabels="service_name", limit=5_000)
    sizes = {
        one["metric"]["service_name"]: int(one["value"][1]) for one in volume["data"]["result"]
    }
    assert sizes[SERVICE] > 0
    over_time = loki(shop, "index/volume_range", query=query, step="60s")["data"]
    assert sum(len(one["values"]) for one in over_time["result"]) > len(sizes)
    for service in sizes:
        assert lines(shop, f'sum by (detected_level) (count_over_time({{service_name=`{service}`}}'
                           " | drop __error__ [30s]))")  # fmt: skip


def test_logs_drilldown_shows_labels_fields_and_patterns_of_a_service(shop: Grafana) -> None:
    query = f"{{service_name=`{SERVICE}`}}"
    labels = loki(shop, "detected_labels", query=query)["detectedLabels"]
    assert {"service_name"} <= {one["label"] for one in labels}
    fields = loki(shop, "detected_fields", query=query, limit=1_000)["fields"]
    assert {"trace_id", "detected_level"} <= {one["label"] for one in fields}
    for one in fields:
        name = one["label"]
        assert set(one) == {"label", "type", "cardinality", "parsers"}
        assert loki(shop, f"detected_field/{name}/values", query=query)["values"], name
        counted = f"sum by ({name}) (count_over_time({query} | json | logfmt | drop __error__,"
        assert lines(shop, f'{counted} __error_details__ | {name}!="" [60s]))'), name
    found = loki(shop, "patterns", query=query, step="60s")["data"]
    assert found
    for one in found:
        text = one["pattern"].replace("`", "")
        assert lines(shop, f"{query} |> `{text}`") > 0, text
        counted = f"sum by (detected_level) (count_over_time({query} |> `{text}` [60s]))"
        assert lines(shop, counted) > 0
    limits = get(shop, "/loki/loki/api/v1/drilldown-limits", {})
    assert limits["limits"]["volume_enabled"]


def test_logs_drilldown_draws_numbers_of_a_field(shop: Grafana) -> None:
    query = f'{{service_name=`{SERVICE}`}} | severity_number!="" | unwrap severity_number'
    for function in ("avg_over_time", "min_over_time", "max_over_time"):
        found = lines(shop, f'{function}({query} | __error__="" [60s]) by (service_name)')
        assert found > 0
