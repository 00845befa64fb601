"""What the OpenAPI document says of answers is what the server answers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import jsonschema
import pytest

from longpole.dashboards.live_feed import LiveFeed, LiveSettings
from longpole.dashboards.live_rows import live_row
from longpole.dashboards.response_schemas import ANSWERED, LIVE, OTHERWISE, schemas
from longpole.formats.rows import telemetry_of_logs
from longpole.model.clock import ManualClock
from longpole.model.log import LogRecord
from longpole.model.span import SpanKind
from tests.dashboards.web import HEX, TRACE_ID, Web, span

# What a question needs besides its path.
MORE = {
    "/completion": "?q=%7B%20&at=2",
    "/root-cause": "?since=1h",
    "/compare": "?window=1h",
    "/compare/traces": f"?a={HEX}&b={TRACE_ID + 1:032x}",
    "/services/{service}/operation": "?name=GET%20/",
}


@pytest.fixture(scope="module")
def web() -> Web:
    """Thirty requests, each with twelve queries in turn and a log record."""
    now = ManualClock().now_unix_nano()
    ms = 10**6
    spans = []
    for number in range(30):
        begin = now - (60 + number) * 10**9
        common: dict[str, Any] = {"trace_id": TRACE_ID + number, "service_name": "svc"}
        spans.append(span(1, name="GET /", kind=SpanKind.SERVER, start_unix_nano=begin,
                          end_unix_nano=begin + 200 * ms, status_code=2, **common))  # fmt: skip
        spans += [
            span(2 + n, 1, name="SELECT", kind=SpanKind.CLIENT,
                 start_unix_nano=begin + (5 + 15 * n) * ms,
                 end_unix_nano=begin + (18 + 15 * n) * ms,
                 attributes={"db.system.name": "postgresql", "db.query.text": f"SELECT {n}"},
                 **common)
            for n in range(12)
        ]  # fmt: skip
    held = Web(spans)
    moment = now - 70 * 10**9
    record = LogRecord(moment, moment, TRACE_ID, 1, 17, "ERROR", "it broke", service_name="svc")
    held.store.submit(telemetry_of_logs([record]), now).result()
    return held


@pytest.fixture(scope="module")
def document(web: Web) -> dict[str, Any]:
    made: dict[str, Any] = web.get("/api/v1/openapi.json").json()
    return made


def fits(answer: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    jsonschema.validate(answer, {**schema, "components": document["components"]})


@pytest.mark.parametrize("path", [path for path in ANSWERED if path != "/sql"])
def test_an_answer_fits_what_the_document_says(
    web: Web, document: dict[str, Any], path: str
) -> None:
    told = document["paths"][f"/api/v1{path}"]["get"]["responses"]["200"]
    address = path.replace("{trace_id}", HEX).replace("{service}", "svc") + MORE.get(path, "")

    answer = web.get(f"/api/v1{address}")

    assert answer.status_code == 200, answer.text
    named = ANSWERED[path]
    assert isinstance(named, str) or path == "/alerts" or answer.json()[named[1]], "nothing to see"
    fits(answer.json(), told["content"]["application/json"]["schema"], document)


def test_rows_of_sql_and_refusals_fit_too(web: Web, document: dict[str, Any]) -> None:
    told = document["paths"]["/api/v1/sql"]["post"]["responses"]
    for sql, kind in (("SELECT 1", "200"), ("DROP TABLE spans", "default")):
        answer = web.ask("POST", "/api/v1/sql", json={"sql": sql})
        if answer.status_code == 501:  # the store in memory has no SQL
            kind = "default"
        fits(answer.json(), told[kind]["content"]["application/json"]["schema"], document)


def test_an_event_of_the_live_tail_fits(web: Web, document: dict[str, Any]) -> None:
    async def first() -> dict[str, Any]:
        feed = LiveFeed(web.store, web.clock, settings=LiveSettings(look_seconds=0.01))
        async with aclosing(feed.follow(())) as stream:
            async for told in stream:
                if told is not None:
                    return told
        raise AssertionError("the stream ended")

    told = asyncio.run(first())
    rows = [live_row(row, web.store.service_colours()) for row in told["traces"]]
    stream = document["paths"][f"/api/v1{LIVE}"]["get"]["responses"]["200"]["content"]

    assert rows
    fits({**told, "traces": rows}, stream["text/event-stream"]["schema"]["contentSchema"], document)


def test_every_question_says_what_it_answers(document: dict[str, Any]) -> None:
    silent = {
        path.removeprefix("/api/v1")
        for path in document["paths"]
        if path.removeprefix("/api/v1") not in {*ANSWERED, *OTHERWISE, LIVE}
    }
    assert silent == {"/traces/{trace_id}/spans/{span_id}"}, "give it a row in response_schemas"


def test_the_schemas_need_nothing_from_elsewhere(document: dict[str, Any]) -> None:
    held = document["components"]["schemas"]
    waiting: list[Any] = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("$ref"), str):
                assert one["$ref"].removeprefix("#/components/schemas/") in held
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    assert schemas().keys() <= held.keys()
