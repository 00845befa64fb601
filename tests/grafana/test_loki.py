"""The Loki dialect, decoded in the order in which Grafana's streaming decoder reads it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from longpole.grafana.loki.app import create_loki_app
from longpole.model.log import LogRecord
from longpole.model.span import Resource
from tests.grafana.dialect import Dialect

NOON = 1_700_000_000 * 10**9
SECOND = 10**9
TRACE, SPAN = 0xABC << 64 | 0xDEF, 0x123
HEX = f"{TRACE:032x}"
CATEGORIZED = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
RANGE: dict[str, Any] = {"start": str(NOON), "end": str(NOON + 60 * SECOND)}


def record(second: int, service: str, body: Any, number: int = 9, **fields: Any) -> LogRecord:
    resource = Resource(
        {"service.name": service, "k8s.pod.name": f"{service}-0", "host.name": "node-a"}
    )
    return LogRecord(
        NOON + second * SECOND, 0, fields.pop("trace", 0), fields.pop("span", 0), number, "", body,
        service_name=service, resource=resource, attributes=fields,
    )  # fmt: skip


USER: dict[str, Any] = {"user.id": "u1", "duration_ms": 12.5}
LOGS = (
    record(1, "cart", "added 1 of sku-1", **USER),
    record(2, "cart", 'level=warn msg="slow \\"cart\\"" took=250ms', 13, trace=TRACE, span=SPAN),
    record(3, "cart", '{"msg":"failed","status":500,"http":{"route":"/cart"}}', 17),
    record(31, "payment", f"declined in trace {HEX}", 17),
    record(32, "payment", "declined <script>", 17, trace=TRACE, amount=3),
)


@pytest.fixture(scope="module")
def loki() -> Dialect:
    return Dialect(lambda store, clock: create_loki_app(store, clock, "1.2.3"), logs=LOGS)


def ask(loki: Dialect, path: str, headers: dict[str, str] | None = None, **asked: Any) -> Any:
    response = loki.get(f"/loki/api/v1/{path}", headers, **asked)
    assert response.status_code == 200, response.text
    return orjson.loads(response.content)


def found(loki: Dialect, query: str, **asked: Any) -> list[int]:
    """The seconds after noon of the lines found, newest first."""
    data = ask(loki, "query_range", CATEGORIZED, query=query, **(RANGE | asked))["data"]
    assert list(data)[:3] == ["resultType", "encodingFlags", "result"]
    for stream in data["result"]:
        assert set(stream) == {"stream", "values"}
        for time, line, about in stream["values"]:
            assert time.isdigit()
            assert isinstance(line, str)
            assert set(about) <= {"structuredMetadata", "parsed"}
    times = [int(value[0]) for stream in data["result"] for value in stream["values"]]
    return [(time - NOON) // SECOND for time in sorted(times, reverse=True)]


def test_save_and_test_gets_exactly_one_sample_of_2(loki: Dialect) -> None:
    document = ask(
        loki, "query", query="vector(1)+vector(1)", time="4000000000", direction="backward"
    )
    assert list(document["data"])[:2] == ["resultType", "result"]
    assert document["data"]["resultType"] == "vector"
    assert document["data"]["result"] == [{"metric": {}, "value": [4_000_000_000.0, "2"]}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{service_name="cart"}', [3, 2, 1]),
        ('{service_name=~"cart|payment", k8s_pod_name!="cart-0"}', [32, 31]),
        ('{service_name=~".+"} |= "declined"', [32, 31]),
        ('{service_name=~".+"} |= "added" or "slow"', [2, 1]),
        ('{service_name=~".+"} != "declined" |~ "sku-[0-9]"', [1]),
        ('{service_name=~".+"} |= "Declined"', []),
        ('{service_name="cart"} | json | status >= 500', [3]),
        ('{service_name="cart"} | json | http_route="/cart"', [3]),
        ('{service_name="cart"} | json route="http.route" | route=~"/c.*"', [3]),
        ('{service_name="cart"} | logfmt | took > 200ms', [2]),
        ('{service_name="cart"} | logfmt | msg="slow \\"cart\\""', [2]),
        ('{service_name="payment"} |> "declined in <_>"', [31]),
        ('{service_name="payment"} !> "declined in <_>"', [32]),
        ('{service_name="payment"} |> "declined"', []),
        ('{service_name="payment"} |> "<_> <script>"', [32]),
        ('{service_name="cart"} | pattern "<verb> <count> of <_>" | count="1"', [1]),
        ('{service_name="cart"} | regexp "^(?P<verb>[a-z]+) [0-9]" | verb="added"', [1]),
        ('{service_name="cart"} | duration_ms > 10 and user_id="u1"', [1]),
        ('{service_name=~".+"} | detected_level="error"', [32, 31, 3]),
        ('{service_name="cart"} | json | __error__=""', [3]),
        (f'{{service_name=~".+"}} | trace_id="{HEX}"', [32, 2]),
        (f'{{service_name="payment"}} | label_format log_line_contains_trace_id='
         f'`{{{{ contains "{HEX}" __line__  }}}}` | log_line_contains_trace_id="true"'
         f' or trace_id="{HEX}"', [32, 31]),
        (f'{{service_name="payment"}} | label_format log_line_contains_trace_id='
         f'`{{{{ contains "{HEX}" __line__  }}}}` | log_line_contains_trace_id="true"'
         f' OR trace_id="{HEX}"', [32, 31]),
        (f'{{service_name="cart"}} | label_format log_line_contains_span_id='
         f'`{{{{ contains "{SPAN:016x}" __line__  }}}}` | log_line_contains_span_id="true"'
         f' or span_id="{SPAN:016x}"', [2]),
        (f'{{service_name="cart"}} | logfmt | json | drop __error__ | trace_id="{HEX}"', [2]),
        (f'{{job=~"(.*/)?(cart)"}} | logfmt | json | drop __error__ | traceID="{HEX}"', []),
        (f'{{service_name="payment"}} |= "{HEX}"', [31]),
    ],
)  # fmt: skip
def test_a_query_finds_its_lines(loki: Dialect, query: str, expected: list[int]) -> None:
    assert found(loki, query) == expected


def test_limit_direction_and_time_bound_the_lines(loki: Dialect) -> None:
    every = '{service_name=~".+"}'
    assert found(loki, every, limit=2) == [32, 31]
    assert found(loki, every, limit=2, direction="forward") == [2, 1]
    assert found(loki, every, end=str(NOON + 31 * SECOND)) == [3, 2, 1]


def test_a_stream_has_its_own_labels_and_a_line_the_rest(loki: Dialect) -> None:
    query = '{service_name="payment"} |= "<script>" | label_format who=service_name'
    (stream,) = ask(loki, "query_range", CATEGORIZED, query=query, **RANGE)["data"]["result"]
    assert stream["stream"] == {"k8s_pod_name": "payment-0"}
    ((_, line, about),) = stream["values"]
    assert line == "declined <script>"
    assert about["structuredMetadata"] == {
        "host_name": "node-a", "amount": "3", "trace_id": HEX, "severity_number": "17",
        "detected_level": "error",
    }  # fmt: skip
    assert about["parsed"] == {"who": "payment"}
    plain = ask(loki, "query_range", query='{service_name="payment"} |= "<script>"', **RANGE)
    assert "encodingFlags" not in plain["data"]
    assert plain["data"]["result"][0]["stream"]["trace_id"] == HEX


def test_the_log_volume_of_explore_counts_by_level(loki: Dialect) -> None:
    document = ask(
        loki, "query_range", step="30000ms", **RANGE,
        query='sum by (level, detected_level) (count_over_time({service_name=~".+"}'
        " | drop __error__[30s]))",
    )  # fmt: skip
    assert list(document["data"])[:2] == ["resultType", "result"]
    series = {
        one["metric"]["detected_level"]: {int(t - NOON / SECOND): v for t, v in one["values"]}
        for one in document["data"]["result"]
    }
    assert series == {"info": {30: "1"}, "warn": {30: "1"}, "error": {30: "1", 60: "2"}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('sum(count_over_time({service_name="cart"}[1m]))', {"": "3"}),
        ('sum(rate({service_name="cart"}[1m])) * 60', {"": "3"}),
        ('sum(bytes_over_time({service_name="payment"} |= "<script>" [1m]))', {"": "17"}),
        ('topk(1, sum by (service_name) (count_over_time({service_name=~".+"}[1m])))',
         {"cart": "3"}),
        ('sum by (service_name) (count_over_time({service_name=~".+"}[1m])) > 2', {"cart": "3"}),
        ('count(count_over_time({service_name=~".+"}[1m]))', {"": "5"}),
        ('max(sum(count_over_time({service_name=~".+"}[1m])) by (service_name))', {"": "3"}),
        ('sum(count_over_time({service_name="cart"}[1m] offset 1m))', {}),
        ('sum by (service_name) (sum_over_time({service_name=~".+"} | unwrap severity_number[1m]))',
         {"cart": "39", "payment": "34"}),
        ('avg_over_time({service_name="cart"} | unwrap severity_number [1m]) by (service_name)',
         {"cart": "13"}),
        ('quantile_over_time(0.75, {service_name="cart"} | unwrap severity_number [1m])'
         " by (service_name)", {"cart": "15"}),
        ('stdvar_over_time({service_name="cart"} | unwrap severity_number [1m]) without'
         " (severity_number, detected_level, duration_ms, trace_id, span_id, user_id, host_name,"
         " k8s_pod_name)", {"cart": "10.666666666666666"}),
        ('max_over_time({service_name="cart"} | logfmt | unwrap duration(took) [1m])'
         " by (service_name)", {"cart": "0.25"}),
        ('last_over_time({service_name="cart"} | unwrap severity_number [1m]) by (service_name)',
         {"cart": "17"}),
        ('sum(rate({service_name="cart"} | unwrap severity_number [1m])) * 60', {"": "39"}),
        ('sum(rate({service_name="cart"} | unwrap user_id | __error__="" [1m]))', {}),
        ('absent_over_time({service_name="stock"}[1m])', {"stock": "1"}),
        ('absent_over_time({service_name="cart"}[1m])', {}),
        ('label_replace(sum by (k8s_pod_name) (rate({service_name="cart"}[1m])) * 60,'
         ' "service_name", "of $1", "k8s_pod_name", "(.*)-0")', {"of cart": "3"}),
        ('stddev(sum by (service_name) (count_over_time({service_name=~".+"}[1m])))',
         {"": "0.5"}),
    ],
)  # fmt: skip
def test_numbers_count_lines(loki: Dialect, query: str, expected: dict[str, str]) -> None:
    data = ask(loki, "query", query=query, time=str(NOON + 60 * SECOND))["data"]
    assert data["resultType"] == "vector"
    values = {one["metric"].get("service_name", ""): one["value"][1] for one in data["result"]}
    assert values == expected


def test_a_sort_orders_the_series(loki: Dialect) -> None:
    for query, expected in (("sort", ["2", "3"]), ("sort_desc", ["3", "2"])):
        text = f'{query}(sum by (service_name) (count_over_time({{service_name=~".+"}}[1m])))'
        data = ask(loki, "query", query=text, time=str(NOON + 60 * SECOND))["data"]
        assert [one["value"][1] for one in data["result"]] == expected


def test_labels_values_and_series_are_offered(loki: Dialect) -> None:
    assert ask(loki, "labels", **RANGE)["data"] == ["k8s_pod_name", "service_name"]
    assert ask(loki, "label/service_name/values", **RANGE)["data"] == ["cart", "payment"]
    chosen = ask(loki, "label/k8s_pod_name/values", query='{service_name="cart"}', **RANGE)
    assert chosen["data"] == ["cart-0"]
    series = ask(loki, "series", **(RANGE | {"match[]": '{service_name="cart"}'}))
    assert series["data"] == [{"k8s_pod_name": "cart-0", "service_name": "cart"}]
    stats = ask(loki, "index/stats", query='{service_name="payment"}', **RANGE)
    assert (stats["streams"], stats["entries"]) == (1, 2)
    fields = ask(loki, "detected_fields", query='{service_name="cart"}', **RANGE)["fields"]
    types = {one["label"]: (one["type"], one["parsers"]) for one in fields}
    assert types["duration_ms"] == ("float", None)
    assert types["status"] == ("int", ["json"])
    assert types["http_route"] == ("string", ["json"])
    assert types["took"] == ("duration", ["logfmt"])
    assert types["detected_level"] == ("string", None)
    volume = ask(loki, "index/volume", query='{service_name=~".+"}', **RANGE)["data"]["result"]
    assert [one["metric"] for one in volume] == [
        {"service_name": "cart"}, {"service_name": "payment"},
    ]  # fmt: skip


def test_logs_drilldown_is_told_volumes_over_time(loki: Dialect) -> None:
    asked: dict[str, Any] = {"query": '{service_name=~".+"}', "step": "30s", **RANGE}
    data = ask(loki, "index/volume_range", None, **asked)["data"]
    assert data["resultType"] == "matrix"
    sizes = {
        one["metric"]["service_name"]: {
            int(at - NOON / SECOND): value for at, value in one["values"]
        }
        for one in data["result"]
    }
    assert set(sizes["cart"]) == {10}
    assert sum(map(int, sizes["cart"].values())) == sum(len(str(one.body)) for one in LOGS[:3])
    labels = ask(loki, "index/volume", None, aggregateBy="labels", targetLabels="k8s_pod_name",
                 query='{service_name=~".+"}', **RANGE)["data"]  # fmt: skip
    assert [one["metric"] for one in labels["result"]] == [{"k8s_pod_name": ""}]


def test_each_pattern_of_logs_drilldown_finds_its_lines(loki: Dialect) -> None:
    document = ask(loki, "patterns", None, query='{service_name=~".+"}', step="10s", **RANGE)
    assert document["status"] == "success"
    assert document["data"]
    counted = 0
    for one in document["data"]:
        assert set(one) == {"pattern", "level", "samples"}
        assert all(at % 10 == 0 and count > 0 for at, count in one["samples"])
        text = one["pattern"].replace("\\", "\\\\").replace('"', '\\"')
        lines = found(loki, f'{{service_name=~".+"}} |> "{text}" | detected_level="{one["level"]}"')
        assert len(lines) == sum(count for _, count in one["samples"])
        counted += len(lines)
    assert counted == len(LOGS)


def test_logs_drilldown_is_told_what_it_can_show(loki: Dialect) -> None:
    document = ask(loki, "drilldown-limits")
    assert document["pattern_ingester_enabled"] is True
    assert document["version"] == "1.2.3"
    limits = document["limits"]
    assert (limits["volume_enabled"], limits["retention_period"]) == (True, "0s")
    assert limits["max_entries_limit_per_query"] == 5_000
    labels = ask(loki, "detected_labels", query='{service_name="cart"}', **RANGE)["detectedLabels"]
    assert labels == [
        {"label": "k8s_pod_name", "cardinality": 1}, {"label": "service_name", "cardinality": 1},
    ]  # fmt: skip


def test_the_data_source_may_have_either_address(loki: Dialect) -> None:
    assert loki.get("/api/v1/labels").status_code == 200
    assert loki.get("/loki/api/v1/labels").status_code == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('{service_name="cart"', "col 21"),
        ('{service_name="cart"} | json |', "unexpected"),
        ('{service_name=~"["}', "regular expression"),
        ('{service_name="cart"} | label_format a=`{{ evil .x }}`', "template"),
        ('count_over_time({service_name="cart"}[0s])', "longer than 0"),
        ("(" * 500, "nests deeper"),
        ("vector(1)" + "+vector(1)" * 200, "joins more than"),
        ("x" * 60_000, "unexpected"),
        ('rate_counter({a="b"} | unwrap x [1m])', "rate_counter is not supported"),
        ('quantile_over_time(0.5, {a="b"}[1m])', "quantile_over_time without unwrap"),
        ('count_over_time({a="b"} | unwrap x [1m])', "count_over_time with unwrap"),
        ('sum_over_time({a="b"} | unwrap x [1m]) by (y)', "grouping not allowed for sum_over_time"),
        ('{a="b"} | unwrap took', "only possible in a function over time"),
        ('sum(rate({a="b"} | unwrap took | json [1m]))', "only label filters may follow unwrap"),
        ('sum(rate({a="b"} | unwrap weeks(took) [1m]))', "unwrap knows duration"),
        ('sum(rate({service_name="cart"} | unwrap user_id [1m]))', "'SampleExtractionErr'"),
        ('{a="b"} | regexp "(.)"', "one group needs a name"),
        ('{a="b"} | regexp "(?P<x>"', "regular expression"),
        ('{a="b"} | pattern "<_> x"', "one capture needs a name"),
        ('{a="b"} |> "<_><_>"', "text between"),
        ('{a="b"} |> "<_>"', "needs some text"),
        ('{a="b"} | distinct x', "stage distinct is not supported here; supported are json"),
        ("{}", "at least one regexp or equality matcher"),
        ('{a=~".*", b!="x"} |= "y"', "at least one regexp or equality matcher"),
        ('sum(rate({a=""}[1m]))', "at least one regexp or equality matcher"),
    ],
)
def test_what_is_no_query_is_refused_in_plain_text(loki: Dialect, query: str, words: str) -> None:
    response = loki.get("/loki/api/v1/query_range", None, query=query, **RANGE)
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    assert words in response.text
