"""Answers decode as strictly as Grafana's Prometheus data source decodes them.

Its decoder reads a stream: `resultType` has to come before `result`; a sample is exactly a number
and a text (grafana-prometheus-datasource, pkg/promlib/converter).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from longpole.analyzer.alerting.board import (
    ActiveAlert,
    AlertState,
    FixedBoard,
    GroupState,
    Health,
    RuleKind,
    RuleState,
)
from longpole.analyzer.promql.catalog import Exemplar, MetricMetadata, SeriesExemplars
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.series import Series, labels_of
from longpole.grafana.prometheus.app import prometheus_app
from longpole.grafana.prometheus.asking import Asking
from longpole.model.clock import ManualClock
from tests.grafana.client import Client

NOW = 1_700_000_000
UP = labels_of({"__name__": "up", "job": "a/b", "http.route": "/"})
CATALOG = MemoryCatalog(
    [
        Series(UP, (np.arange(60) * 60 + NOW - 3540) * 1000, np.array([1.0, np.nan, np.inf] * 20)),
        Series(labels_of({"__name__": "calls_total"}), np.array([NOW * 1000]), np.array([1e-7])),
    ],
    {"up": [MetricMetadata("gauge", "Whether it is there.", "")]},
    [SeriesExemplars(UP, (Exemplar((("trace_id", "ab"),), 0.25, NOW * 1000 - 500),))],
)
ALERT = ActiveAlert(
    labels_of({"alertname": "Slow", "job": "a"}), labels_of({"summary": "slow"}),
    AlertState.FIRING, 1.0, NOW * 1000 - 60_500, NOW * 1000,
)  # fmt: skip


def rule(name: str, kind: RuleKind, *alerts: ActiveAlert) -> RuleState:
    return RuleState(
        kind, name, "up == 0", labels_of({"severity": "page"}), (), 60.0, 0.0,
        AlertState.FIRING if alerts else AlertState.INACTIVE, alerts, Health.OK, "", 0.002,
        NOW * 1000,
    )  # fmt: skip


BOARD = FixedBoard(
    tuple(
        GroupState(name, f"{name}.yml", 60.0, 0, rules, 0.01, NOW * 1000)
        for name, rules in (
            ("first", (rule("Slow", RuleKind.ALERTING, ALERT), rule("a:b", RuleKind.RECORDING))),
            ("second", (rule("Quiet", RuleKind.ALERTING),)),
        )
    )
)
GRAFANA = Client(prometheus_app(Asking(CATALOG, ManualClock(NOW * 10**9), BOARD)))


def decoded(body: bytes) -> dict[str, Any]:
    """A document whose keys come in the order in which the plugin's decoder needs them."""

    def in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names)
        if "result" in names:
            assert names.index("resultType") < names.index("result")
        if "data" in names:
            assert names[0] == "status"
        return dict(pairs)

    found: dict[str, Any] = json.loads(body, object_pairs_hook=in_order, parse_constant=pytest.fail)
    return found


def data(path: str, parameters: Any = None) -> Any:
    answer = GRAFANA.get(f"/api/v1/{path}", parameters)
    assert answer.status_code == 200, answer.text
    document = decoded(answer.content)
    assert document["status"] == "success"
    return document["data"]


def is_sample(pair: Any) -> bool:
    at, value = pair
    return type(at) in (int, float) and type(value) is str and float(value) is not None


def test_save_and_test_finds_a_healthy_server() -> None:
    assert data("query", {"query": "1+1", "time": "4"}) == {
        "resultType": "scalar", "result": [4, "2"],
    }  # fmt: skip
    build = data("status/buildinfo")
    assert "features" not in build
    assert build["version"].startswith("3.")


def test_long_queries_come_as_forms() -> None:
    form = {"query": "up", "start": str(NOW - 600), "end": str(NOW), "step": "60", "timeout": "9s"}
    posted = GRAFANA.post("/api/v1/query_range", form)
    assert posted.content == GRAFANA.get("/api/v1/query_range", form).content
    result = decoded(posted.content)["data"]["result"]
    assert len(result) == 1
    assert result[0]["metric"] == dict(UP)
    assert all(map(is_sample, result[0]["values"]))
    assert {value for _, value in result[0]["values"]} == {"1", "NaN", "+Inf"}


def test_every_kind_of_result_decodes() -> None:
    for query, kind in (("up", "vector"), ("up[5m]", "matrix"), ("1", "scalar"), ('"a"', "string")):
        found = data("query", {"query": query})
        assert found["resultType"] == kind
        for entry in found["result"] if kind in ("vector", "matrix") else ():
            assert all(map(is_sample, entry.get("values", [entry.get("value")])))


def test_small_numbers_have_gos_exponents() -> None:
    assert data("query", {"query": "calls_total"})["result"][0]["value"] == [NOW, "1e-07"]


def test_exemplars_name_their_traces_and_the_probe_finds_none() -> None:
    found = data("query_exemplars", {"query": "rate(up[5m])", "start": NOW - 60, "end": NOW})
    assert found == [
        {
            "seriesLabels": dict(UP),
            "exemplars": [{"labels": {"trace_id": "ab"}, "value": "0.25", "timestamp": NOW - 0.5}],
        }
    ]
    # Grafana probes with milliseconds where seconds belong.
    probe = {"query": "test", "start": NOW * 1000, "end": NOW * 1000 + 1000}
    assert data("query_exemplars", probe) == []


def test_completion_reads_names_and_values() -> None:
    assert data("labels") == ["__name__", "http.route", "job"]
    assert data("label/__name__/values", {"limit": "40000"}) == ["calls_total", "up"]
    assert data("label/U__http_2e_route/values", {"match[]": "up"}) == ["/"]
    assert data("series", {"match[]": "up", "start": NOW - 60, "end": NOW}) == [dict(UP)]
    assert data("metadata", {"limit": "1000"}) == {
        "up": [{"type": "gauge", "unit": "", "help": "Whether it is there."}]
    }


def test_a_probe_for_native_histograms_finds_none() -> None:
    probe = {"match[]": "traces_service_graph_request_server_seconds", "limit": "1"}
    assert data("series", probe) == []


def test_rules_and_alerts_have_what_the_list_of_alerts_shows() -> None:
    groups = data("rules")["groups"]
    assert [group["name"] for group in groups] == ["first", "second"]
    alerting, recording = groups[0]["rules"]
    assert set(alerting) == {
        "state", "name", "query", "duration", "keepFiringFor", "labels", "annotations", "alerts",
        "health", "evaluationTime", "lastEvaluation", "type",
    }  # fmt: skip
    assert "alerts" not in recording
    assert (
        alerting["alerts"]
        == data("alerts")["alerts"]
        == [
            {
                "labels": {"alertname": "Slow", "job": "a"},
                "annotations": {"summary": "slow"},
                "state": "firing",
                "activeAt": "2023-11-14T22:12:19.500Z",
                "value": "1e+00",
            }
        ]
    )


def test_rules_come_in_pages_and_filtered() -> None:
    first = data("rules", {"group_limit": "1", "exclude_alerts": "true"})
    assert [group["name"] for group in first["groups"]] == ["first"]
    assert first["groups"][0]["rules"][0]["alerts"] == []
    more = {"group_limit": "1", "group_next_token": first["groupNextToken"]}
    second = data("rules", more)
    assert [group["name"] for group in second["groups"]] == ["second"]
    assert "groupNextToken" not in second
    by_type = data("rules", {"type": "record"})["groups"]
    assert [[one["name"] for one in group["rules"]] for group in by_type] == [["a:b"]]
    assert data("rules", {"rule_name[]": "Quiet"})["groups"][0]["name"] == "second"
    assert data("rules", {"match[]": '{severity="none"}'})["groups"] == []


@pytest.mark.parametrize(
    ("parameters", "status", "kind"),
    [
        ({"query": "up{"}, 400, "bad_data"),
        ({"query": "up * on () group_left () up, "}, 400, "bad_data"),
        ({"query": 'label_replace(up,"a","b","c","(")'}, 422, "execution"),
        ({"query": "up", "timeout": "0s"}, 503, "timeout"),
    ],
)
def test_errors_are_the_ones_that_the_plugin_reads(
    parameters: dict[str, str], status: int, kind: str
) -> None:
    # The clock moves while it is read, so that time passes at all.
    answer = Client(prometheus_app(Asking(CATALOG, Hurried()))).get("/api/v1/query", parameters)
    assert answer.status_code == status
    document = decoded(answer.content)
    assert (document["status"], document["errorType"]) == ("error", kind)
    assert document["error"]


class Hurried(ManualClock):
    """A clock that moves a millisecond with each look."""

    def monotonic_ns(self) -> int:
        self.advance(0.001)
        return super().monotonic_ns()


@pytest.mark.parametrize("steps", [2, 10_000], ids=["whole", "streamed"])
def test_answers_are_packed_when_asked(steps: int) -> None:
    asked = {"query": "label_replace(vector(pi()),'x','y','','')", "start": 0, "end": steps,
             "step": 1}  # fmt: skip

    def body(**headers: str) -> tuple[bytes, str]:
        answer = GRAFANA.get("/api/v1/query_range", asked, **headers)
        return answer.content, answer.headers.get("content-encoding", "")

    packed, plain = body(**{"Accept-Encoding": "gzip"}), body(**{"Accept-Encoding": "identity"})
    assert packed[0] == plain[0]
    assert (packed[1], plain[1]) == ("gzip" if steps > 2 else "", "")


def test_each_address_has_its_methods() -> None:
    ask: Callable[[str, str], int] = lambda method, path: GRAFANA.send(method, path).status_code  # noqa: E731
    assert ask("POST", "/api/v1/query?query=1") == 200
    assert ask("DELETE", "/api/v1/series") == 405
    assert ask("GET", "/api/v1/search/metric_names") == 404
    assert ask("GET", "/-/ready") == 200
