"""The API: documents that fit their schemas, and one shape for every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from longpole.dashboards.errors import REFUSALS, refusal_of
from longpole.dashboards.openapi import TAKEN
from longpole.dashboards.sql_rows import encoded, sql_document
from longpole.storage import ports
from tests.dashboards.web import HEX, START, Web, span

SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def web() -> Web:
    return Web([span(1, end_unix_nano=START + 9_000_000), span(2, 1, status_code=2), span(3, 1)])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"/api/v1/traces/{HEX}", "trace"),
        (f"/api/v1/traces/{HEX.upper()}?spans=1&overflow=clip&eps=5&tau=0", "trace"),
        (f"/api/v1/traces/{HEX}?spans=tree", "trace"),
        (f"/api/v1/traces/{HEX}?causal=1&end=0000000000000002", "trace"),
        ("/api/v1/traces", "traces"),
        ("/api/v1/traces?q={ status = error }&limit=1&min_duration=1ms", "traces"),
        ("/api/v1/critical-path", "critical-path"),
        ("/api/v1/critical-path?group_by=service", "critical-path"),
        ("/api/v1/what-if", "what-if"),
        ("/api/v1/what-if?change=*/*: cap 1ms&change=*/*: parallel&limit=1", "what-if"),
        ("/api/v1/critical-path?explain=tail&group_by=edge,call_path", "critical-path"),
        ("/api/v1/critical-path?explain=variance", "critical-path"),
        ("/api/v1/critical-path?tree=1", "critical-path"),
        ("/api/v1/compare?base_operation=b&head_to=1", "compare"),
        ("/api/v1/compare?window=1h&statistic=p95&fail_on=p95 > %2B5%25", "compare"),
        ("/api/v1/services", "services"),
        ("/api/v1/services/svc/verdict?since=900000h", "service"),
        ("/api/v1/status", "status"),
    ],
)
def test_documents_fit_their_schema(web: Web, path: str, name: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    jsonschema.validate(answer.json(), schema(name))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/traces/" + "f" * 32, 404, "unknown_trace"),
        ("/api/v1/traces/" + "f" * 32 + "/export", 404, "unknown_trace"),
        ("/api/v1/services/no/body/verdict", 404, "unknown_service"),
        ("/api/v1/services/svc/verdict?limit=3", 400, "bad_question"),
        ("/api/v1/traces/zz", 400, "invalid_id"),
        ("/api/v1/traces/" + "0" * 32, 400, "invalid_id"),
        (f"/api/v1/traces/{HEX}?overflow=wrap", 400, "bad_question"),
        (f"/api/v1/traces/{HEX}?eps=-1", 400, "bad_question"),
        (f"/api/v1/traces/{HEX}?causal=1&end=00000000000000aa", 400, "bad_question"),
        (f"/api/v1/traces/{HEX}?causal=1&end=x", 400, "invalid_id"),
        (f"/api/v1/traces/{HEX}?eps=1&eps=2", 400, "bad_question"),
        ("/api/v1/traces?limit=1000000000", 400, "bad_question"),
        ("/api/v1/what-if?change=faster", 400, "change_syntax"),
        ("/api/v1/what-if?group_by=service", 400, "bad_question"),
        ("/api/v1/traces?limt=5", 400, "bad_question"),
        ("/api/v1/traces?q={ nope", 400, "query_syntax"),
        ("/api/v1/traces?since=1h&from=0", 400, "bad_question"),
        ("/api/v1/traces?from=5&to=4", 400, "bad_question"),
        ("/api/v1/traces?from=yesterday", 400, "bad_question"),
        ("/api/v1/traces?attr=x", 400, "bad_question"),
        ("/api/v1/traces?error=perhaps", 400, "bad_question"),
        ("/api/v1/traces?q=" + "x" * 40_000, 400, "bad_question"),
        ("/api/v1/critical-path?group_by=mood", 400, "bad_question"),
        ("/api/v1/critical-path?explain=mood", 400, "bad_question"),
        ("/api/v1/critical-path?tree=1&explain=tail", 400, "bad_question"),
        ("/api/v1/compare", 400, "bad_question"),
        ("/api/v1/compare?at=5", 400, "bad_question"),
        ("/api/v1/compare?window=0s", 400, "bad_question"),
        ("/api/v1/compare?window=1h&statistic=p90", 400, "bad_question"),
        ("/api/v1/compare?window=1h&sample=0", 400, "bad_question"),
        ("/api/v1/compare?window=1h&limit=5", 400, "bad_question"),
        ("/api/v1/compare?window=1h&base_q={ nope", 400, "query_syntax"),
        ("/api/v1/compare?window=1h&fail_on=p95", 400, "refused"),
        ("/api/v1/export?format=pdf", 400, "bad_question"),
        ("/api/v1/export?signal=smoke", 400, "bad_question"),
        ("/api/v1/export?signal=logs&format=zipkin-json", 400, "bad_question"),
        ("/api/v1/export?signal=metrics&service=x", 400, "bad_question"),
        ("/api/v1/sql", 405, "method_not_allowed"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/static/0/%2e%2e/%2e%2e/app.py", 404, "not_found"),
    ],
)
def test_every_refusal_has_one_shape(web: Web, path: str, status: int, code: str) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    jsonschema.validate(answer.json(), schema("error"))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"sql": 5}', b'{"sql": "x", "max_rows": "many"}', b'{"sqll": "x"}',
     b'{"sql": "x", "max_rows": 0}', b'{"sql": "x", "timeout_seconds": 1e9}', b"\xff\xfe"],
)  # fmt: skip
def test_sql_bodies_of_the_wrong_shape_are_refused(web: Web, body: bytes) -> None:
    answer = web.ask(
        "POST", "/api/v1/sql", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    jsonschema.validate(answer.json(), schema("error"))


def test_an_engine_without_sql_says_so(web: Web) -> None:
    answer = web.ask("POST", "/api/v1/sql", json={"sql": "SELECT 1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "unsupported")


def test_a_large_upload_is_not_read(web: Web) -> None:
    assert web.ask("POST", "/api/v1/sql", content=b" " * (2**20 + 1)).status_code == 413


def test_an_unknown_trace_comes_with_reasons(web: Web) -> None:
    reasons = web.get("/api/v1/traces/" + "f" * 32).json()["error"]["reasons"]
    assert any("retention" in reason for reason in reasons)


def test_a_bug_is_a_500_without_its_traceback(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("planted secret")

    monkeypatch.setattr(web.store, "find_traces", broken)
    answer = web.get("/api/v1/traces")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "bug")
    assert "planted" not in answer.text
    assert "content-security-policy" in answer.headers


def test_a_question_that_failed_by_a_bug_is_told_on_the_status_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web = Web([span(1)])

    def broken(*_: object) -> None:
        raise RuntimeError("planted")

    assert "Nothing is wrong" in web.get("/status").text
    monkeypatch.setattr(web.store, "find_traces", broken)
    web.get("/api/v1/traces")
    web.get("/api/v1/traces")
    told = web.get("/status").text
    assert "2 questions found no answer since the start" in told
    assert "<code>/api/v1/traces</code>" in told
    assert "Nothing is wrong" not in told


def test_exports_are_attachments_with_plain_names(web: Web) -> None:
    for form in ("otlp-json", "otlp-protobuf", "jaeger-json", "zipkin-json"):
        answer = web.get(f"/api/v1/traces/{HEX}/export?format={form}")
        assert answer.status_code == 200
        assert answer.content
        assert answer.headers["content-disposition"].startswith(
            'attachment; filename="longpole-traces.'
        )
    everything = web.get("/api/v1/export?signal=traces&format=zipkin-json").json()
    assert len(everything) == 3


def test_there_is_a_schema_of_the_api_but_no_page_that_loads_scripts(web: Web) -> None:
    paths = web.get("/api/v1/openapi.json").json()["paths"]
    assert "/api/v1/traces/{trace_id}" in paths
    for path in ("/docs", "/redoc"):
        assert web.get(path).status_code == 404


@pytest.mark.parametrize("path", TAKEN)
def test_the_schema_names_the_parameters_that_a_question_takes(web: Web, path: str) -> None:
    """What is refused lists what is known."""
    address = path.replace("{trace_id}", HEX).replace("{service}", "svc")
    refusal = web.get(f"/api/v1{address}?no_such_parameter=1").json()["error"]["message"]
    known = refusal.partition("known are ")[2]
    paths = web.get("/api/v1/openapi.json").json()["paths"]
    described = {p["name"] for p in paths[f"/api/v1{path}"]["get"].get("parameters", ())}

    assert TAKEN[path] <= described
    assert TAKEN[path] == {name for name in known.split(", ") if name}


def test_every_question_of_the_api_is_in_the_table(web: Web) -> None:
    paths = web.get("/api/v1/openapi.json").json()["paths"]
    plain = {path.removeprefix("/api/v1") for path, ways in paths.items() if "get" in ways}
    of_their_own = {"/status", "/live"}
    assert {p for p in plain - of_their_own if "/traces/{trace_id}/" not in p} <= set(TAKEN)


def test_a_long_page_is_packed_for_those_who_ask(web: Web) -> None:
    page = web.get("/traces", headers={"accept-encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"
    assert (
        "content-encoding"
        not in web.get("/traces", headers={"accept-encoding": "identity"}).headers
    )


def test_every_refusal_of_storage_has_a_row() -> None:
    for kind in (ports.QueryRefused, ports.QueryTimedOut, ports.Unsupported, ports.Overloaded):
        assert refusal_of(kind("x")).code != "refused"
    assert refusal_of(ValueError()).status == 500
    assert REFUSALS[-1][0] is ports.StorageError.__mro__[1]


def test_sql_values_lose_nothing() -> None:
    table = pa.table(
        {
            "big": pa.array([2**63 - 1, None], pa.int64()),
            "huge": pa.array([10**37, 1], pa.decimal128(38, 0)),
            "double": pa.array([float("nan"), 0.1]),
            "blob": pa.array([b"\x00\xff", None]),
            "list": pa.array([[1, 2], []]),
        }
    )
    document = json.loads(encoded(sql_document(ports.SqlAnswer(table))))
    assert document["rows"] == [
        [2**63 - 1, 10**37, "NaN", "00ff", [1, 2]],
        [None, 1, 0.1, None, []],
    ]
    jsonschema.validate(document, schema("sql"))


def test_two_columns_of_one_name_stay_two() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["x"])], names=["a", "a"])
    assert sql_document(ports.SqlAnswer(table))["rows"] == [[1, "x"]]


def test_findings_are_one_document_with_an_entry_for_each_fault() -> None:
    loop = [
        span(2 + i, 1, kind=3, name="SELECT t", start_unix_nano=START + i * 10_000_000,
             end_unix_nano=START + i * 10_000_000 + 9_000_000,
             attributes={"db.system.name": "mysql", "db.query.text": "SELECT a FROM t WHERE b = ?"})
        for i in range(12)
    ]  # fmt: skip
    web = Web([span(1, kind=2, end_unix_nano=START + 130_000_000), *loop])
    document = web.get("/api/v1/findings").json()
    assert set(document) == {"query", "coverage", "findings", "info_count", "notices"}
    (entry,) = document["findings"]
    jsonschema.validate(entry, schema("findings"))
    assert (entry["detector"], entry["trace_ids"]) == ("n_plus_one_db", [HEX])
    assert web.get("/api/v1/findings?service=nobody&all=1").json()["findings"] == []
    assert web.get("/api/v1/findings?limit=3").status_code == 400
