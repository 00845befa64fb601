"""The Tempo dialect, decoded as strictly as Grafana's plugin does."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from longpole.grafana.tempo.app import create_tempo_app
from tests.grafana import tempo_contract as contract
from tests.grafana.dialect import Dialect
from tests.grafana.shop_spans import FAILED, SPANS

PROTOBUF = {"Accept": "application/protobuf"}


@pytest.fixture(scope="module")
def tempo() -> Dialect:
    return Dialect(create_tempo_app, SPANS)


def found(tempo: Dialect, query: str, **asked: int) -> dict[str, list[list[str]]]:
    """By trace: the span ids of each set."""
    response = tempo.get("/api/search", None, q=query, **asked)
    assert response.status_code == 200, response.text
    document = response.json()
    contract.SEARCH(document)
    return {
        trace["traceID"][-1]: [
            [span["spanID"][-1] for span in one["spans"]] for one in trace["spanSets"]
        ]
        for trace in document["traces"]
    }


def test_save_and_test_is_answered(tempo: Dialect) -> None:
    assert tempo.get("/api/echo").text == "echo"
    assert "version" in tempo.get("/api/status/buildinfo").json()


def test_a_trace_comes_as_the_bytes_of_otlp(tempo: Dialect) -> None:
    v1 = tempo.get(f"/api/traces/{FAILED:032x}", PROTOBUF)
    v2 = tempo.get(f"/api/v2/traces/{FAILED:032x}", PROTOBUF)
    assert v1.headers["content-type"] == "application/protobuf"
    trace = TracesData.FromString(v1.content)
    names = [span.name for r in trace.resource_spans for s in r.scope_spans for span in s.spans]
    assert sorted(names) == ["GET /cart", "op 2", "op 3", "op 4"]
    assert v1.content in v2.content
    assert (v2.content[0], v2.content[-2:]) == (0x0A, b"\x12\x00")
    assert tempo.get(f"/api/v2/traces/{FAILED:032x}").json()["trace"]["resourceSpans"]


def test_an_unknown_trace_is_empty_and_never_a_missing_message(tempo: Dialect) -> None:
    unknown = "0123456789abcdef0123456789abcdef"
    assert tempo.get(f"/api/v2/traces/{unknown}", PROTOBUF).content == b"\x0a\x00\x12\x00"
    assert tempo.get(f"/api/traces/{unknown}", PROTOBUF).status_code == 404
    for bad in ("xyz", "0", "1" * 33):
        response = tempo.get(f"/api/v2/traces/{bad}", PROTOBUF)
        assert response.status_code == 400, bad
        assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"2": [["1", "2"]], "1": [["1", "2", "3"]]}),
        ("{}", {"2": [["1", "2"]], "1": [["1", "2", "3"]]}),
        ("{ false }", {}),
        ("{ status = error && kind = client }", {"1": [["2"]]}),
        ('{ resource.service.name = "cart" || name = "GET /" }', {"2": [["1", "2"]], "1": [["2"]]}),
        ("{ span.retries > 3 }", {"1": [["4"]]}),
        ("{ span.retries = 3 }", {"1": [["1"]]}),
        ('{ .retries = "3" }', {"2": [["2"]]}),
        ("{ .retries != 3 }", {"1": [["4"]]}),
        ("{ .retries = nil && kind = client }", {"1": [["2"]]}),
        ("{ .tags != nil }", {"1": [["4"]]}),
        ("{ .cached }", {"1": [["4"]]}),
        ("{ !.cached }", {}),
        ("{ duration * 2 > 198ms - 1ms }", {"2": [["1"]], "1": [["1"]]}),
        ('{ .region =~ "pay.*" }', {"1": [["3"]]}),
        ('{ name =~ "GET" }', {}),
        ('{ event.exception.type = "Declined" }', {"1": [["3"]]}),
        ('{ event:name = "exception" && event:timeSinceStart > 46ms }', {"1": [["3"]]}),
        ("{ event.exception.type = nil && name =~ `GET.*` }", {"2": [["1"]], "1": [["1"]]}),
        ("{ link:spanID = `0000000000000001` }", {"2": [["1"]]}),
        ("{ nestedSetParent < 0 }", {"2": [["1"]], "1": [["1"]]}),
        ("{ nestedSetLeft = 3 }", {"1": [["3"]]}),
        ("{ childCount = 2 }", {"1": [["2"]]}),
        ("{ parent.duration > 98ms }", {"2": [["2"]], "1": [["2"]]}),
        ('{ rootName = "GET /" }', {"2": [["1", "2"]]}),
        ("{ traceDuration > 98ms && span:parentID = nil }", {"2": [["1"]], "1": [["1"]]}),
        ('{ instrumentation:name = "lib" && kind = client }', {"1": [["2"]]}),
        ('{ resource.service.name = "gateway" } >> { status = unset }',
         {"2": [["2"]], "1": [["4"]]}),
        ("{ status = error } > { status = error }", {"1": [["2", "3"]]}),
        ("{ kind = client } < { true }", {"1": [["1"]]}),
        ("{ .cached } << { true }", {"1": [["1", "2"]]}),
        ("{ .cached } ~ { true }", {"1": [["3"]]}),
        ("{ kind = client } !> { true }", {"2": [["1", "2"]], "1": [["1", "2"]]}),
        ("{ kind = client } &> { .cached }", {"1": [["2", "4"]]}),
        ("({ nestedSetParent<0 } &>> { status = error }) || ({ false })",
         {"1": [["1", "2", "3"]]}),
        ("{ status = error } && { .cached }", {"1": [["1", "2", "3"]]}),
        ("{ true } | { kind = client }", {"1": [["2"]]}),
        ("{ true } | count() > 2", {"1": [["1", "2", "3"]]}),
        ("{ true } | avg(duration) > 98.2ms", {"2": [["1", "2"]]}),
        ("({ true } | count()) > ({ status = error } | count()) * 1.5", {"2": [["1", "2"]]}),
        ("{ true } | by(status) | count() > 2", {"1": [["1", "2", "3"]]}),
        ("{ true } | by(status) | coalesce() | count() > 3", {"1": [["1", "2", "3"]]}),
    ],
)  # fmt: skip
def test_a_query_finds_its_spans(
    tempo: Dialect, query: str, expected: dict[str, list[list[str]]]
) -> None:
    assert found(tempo, query) == expected


def test_what_is_shown_of_a_span_is_what_was_asked(tempo: Dialect) -> None:
    query = (
        "{ status = error && kind != client && nestedSetParent > 0 }"
        " | select(resource.service.name, event.exception.message, nestedSetLeft, span.absent)"
    )
    document = tempo.get("/api/search", q=query, limit=200, spss=10).json()
    contract.SEARCH(document)
    (trace,) = document["traces"]
    assert (trace["rootServiceName"], trace["rootTraceName"]) == ("gateway", "GET /cart")
    assert trace["serviceStats"]["cart"] == {"spanCount": 1, "errorCount": 1}
    assert trace["spanSet"] == trace["spanSets"][0]
    (span,) = trace["spanSet"]["spans"]
    assert {one["key"]: one["value"] for one in span["attributes"]} == {
        "status": {"stringValue": "error"},
        "kind": {"stringValue": "server"},
        "nestedSetParent": {"intValue": "2"},
        "service.name": {"stringValue": "payment"},
        "exception.message": {"stringValue": "no <b>"},
        "nestedSetLeft": {"intValue": "3"},
    }


def test_limits_and_times_bound_a_search(tempo: Dialect) -> None:
    assert found(tempo, "{}", limit=1) == {"2": [["1", "2"]]}
    assert found(tempo, "{}", spss=1) == {"2": [["1"]], "1": [["1"]]}
    assert found(tempo, "{}", start=1_700_000_000, end=1_700_000_002) == {"1": [["1", "2", "3"]]}
    assert found(tempo, "{}", start=1_800_000_000) == {}
    assert tempo.get("/api/search", q="{}", start="soon").status_code == 400


@pytest.mark.parametrize("typed", ["zz", "1" * 33, "0x12"])
def test_an_id_that_is_none_is_shown_as_it_was_typed(tempo: Dialect, typed: str) -> None:
    answer = tempo.get(f"/api/v2/traces/{typed}")
    assert answer.status_code == 400
    assert f"'{typed}' is not a trace id: expected 32 hexadecimal digits" in answer.text


def test_bad_queries_are_refused_in_plain_text(tempo: Dialect) -> None:
    response = tempo.get("/api/search", q="{ foo = 1 }")
    assert response.status_code == 400
    assert response.headers["content-type"].startswith("text/plain")
    assert response.text == (
        "invalid TraceQL query: parse error at line 1, col 3: unknown identifier: foo"
    )
    assert tempo.get("/api/search", q='{ .a =~ "[" }').status_code == 400
    assert tempo.get("/api/nothing").status_code == 404


def test_tags_come_by_scope(tempo: Dialect) -> None:
    document = tempo.get("/api/v2/search/tags", limit=5000).json()
    tags = {scope["name"]: scope["tags"] for scope in document["scopes"]}
    assert tags["resource"] == ["region", "service.name"]
    assert tags["span"] == ["cached", "db.system", "retries", "tags"]
    assert tags["event"] == ["exception.message", "exception.type"]
    assert "nestedSetParent" in tags["intrinsic"]
    one = tempo.get("/api/v2/search/tags", scope="resource").json()
    assert [scope["name"] for scope in one["scopes"]] == ["resource"]
    assert "db.system" in tempo.get("/api/search/tags").json()["tagNames"]


@pytest.mark.parametrize(
    ("tag", "query", "expected"),
    [
        ("resource.service.name", "", ["cart", "gateway", "payment", "stock"]),
        ("resource.service.name", "{ status = error && ", ["cart", "gateway", "payment"]),
        ("resource.service.name", '{ status = error && name = "op 3" && .x = "',
         ["payment"]),
        ("resource.service.name", "{ status = || }", ["cart", "gateway", "payment", "stock"]),
        ("span.db.system", "nonsense", ["postgresql", "redis"]),
        ("name", "{ nestedSetParent < 0 }", ["GET /", "GET /cart"]),
        ("status", "", ["error", "ok", "unset"]),
        ("span.absent", "", []),
        ("event.exception.type", "", ["Declined"]),
    ],
)  # fmt: skip
def test_values_are_offered_whatever_state_the_query_is_in(
    tempo: Dialect, tag: str, query: str, expected: list[str]
) -> None:
    document = tempo.get(f"/api/v2/search/tag/{tag}/values", tag=tag, limit=5000, q=query).json()
    assert sorted(one["value"] for one in document["tagValues"]) == expected
    assert all(set(one) == {"type", "value"} for one in document["tagValues"])


def test_values_carry_their_types(tempo: Dialect) -> None:
    document = tempo.get("/api/v2/search/tag/span.retries/values").json()
    assert document["tagValues"] == [
        {"type": "float", "value": "3.5"},
        {"type": "int", "value": "3"},
        {"type": "string", "value": "3"},
    ]
    assert tempo.get("/api/search/tag/db.system/values").json()["tagValues"] == [
        "postgresql", "redis",
    ]  # fmt: skip
