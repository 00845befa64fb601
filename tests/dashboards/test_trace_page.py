"""The page of one trace: what its links, its panels and its find answer."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pytest

from longpole.analyzer.critical_path import PathOptions
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.settle import settle_once
from longpole.dashboards.trace_views import TraceViews
from longpole.formats.rows import telemetry_of_logs, telemetry_of_spans
from longpole.model.log import LogRecord
from longpole.model.span import Resource, SpanEvent, SpanKind, SpanLink
from tests.dashboards.web import HEX, START, TRACE_ID, Web, span

PAGE = f"/traces/{HEX}"
ROOT, FIRST_CALL = f"{1:016x}", f"{10:016x}"


def shop() -> Web:
    """An N+1: a request that asks a database twenty times, 9 ms each, in turn."""
    root = span(1, name="GET /orders", service_name="orders", kind=SpanKind.SERVER,
                end_unix_nano=START + 200_000_000)  # fmt: skip
    calls = [
        span(10 + i, 1, name="SELECT lines", service_name="orders", kind=SpanKind.CLIENT,
             start_unix_nano=START + 10_000_000 * i,
             end_unix_nano=START + 10_000_000 * i + 9_000_000,
             attributes={"db.system.name": "postgresql",
                         "db.query.text": f"SELECT * FROM lines WHERE id = {i}"})
        for i in range(20)
    ]  # fmt: skip
    return Web([root, *calls])


def test_where_why_and_do_stand_above_everything_else_with_links_to_the_spans() -> None:
    text = shop().get(PAGE).text
    places = [
        text.index(word) for word in ("Where", "Why", "Do</b>", 'class="ribbon"', 'id="viewer"')
    ]
    assert places == sorted(places)
    assert f'href="?span={FIRST_CALL}&amp;cp=1" data-row="1"' in text
    assert re.search(r"200 ms → at best [\d.]+ ms", text)
    assert "How sure?" in text
    assert "N+1 queries" in text
    assert "at least 5 queries" in text.split('class="sure"', 1)[1].split("</details>", 1)[0]


def test_pieces_of_the_ribbon_lead_to_their_time() -> None:
    text = shop().get(PAGE).text
    [piece] = re.findall(r'<a href="\?span=[0-9a-f]{16}&amp;cp=1&amp;t=(\d+)-(\d+)"', text)
    assert int(piece[1]) - int(piece[0]) == 200_000_000 - 1000


def test_options_stay_in_every_link_and_reach_the_columns() -> None:
    text = shop().get(f"{PAGE}?overflow=clip&span={FIRST_CALL}&cp=1").text
    assert f'href="?overflow=clip&amp;span={FIRST_CALL}&amp;cp=1' in text
    columns = re.search(r'data-columns="([^"]*)"', text)
    assert columns is not None
    assert "overflow=clip" in columns[1]
    assert f"span={FIRST_CALL}" in columns[1]


def test_the_columns_of_the_page_are_kept_for_good() -> None:
    web = shop()
    address = re.search(r'data-columns="([^"]*)"', web.get(PAGE).text)
    assert address is not None
    assert "immutable" in web.get(address[1].replace("&amp;", "&")).headers["cache-control"]


def test_a_link_to_a_span_that_is_not_there_says_so() -> None:
    for unknown in (f"{99:016x}", "nonsense"):
        answer = shop().get(f"{PAGE}?span={unknown}")
        assert answer.status_code == 200
        assert f"The trace has no span {unknown}, which this link is about" in answer.text
    assert "The trace has no span" not in shop().get(f"{PAGE}?span={FIRST_CALL}").text
    assert "&lt;b&gt;" in shop().get(f"{PAGE}?span=<b>").text


def test_of_spans_with_one_id_each_has_a_link_and_the_page_says_which_it_shows() -> None:
    start = START + 10_000
    web = Web([span(1), *(span(2, 1, name=f"twin {n}", start_unix_nano=start + n,
                               end_unix_nano=start + n + 1_000) for n in range(3))])  # fmt: skip
    page = web.get(f"{PAGE}?span={2:016x}").text
    assert "Several spans of this trace have the id 0000000000000002" in page
    assert "<b>number 1</b>" in page
    links = re.findall(r'href="([^"]*)" data-load>number', page)
    assert [re.findall(r"row=(\d)", link) for link in links] == [["2"], ["3"]]

    second = web.get(PAGE + unescape(links[0])).text

    assert "<b>number 2</b>" in second
    assert "twin 1" in second.split('class="panel', 1)[1]
    assert web.get(f"/api/v1/traces/{HEX}/spans/{2:016x}?row=3").json()["operation"] == "twin 2"


def test_a_trace_that_is_still_arriving_says_so_and_is_looked_at_again() -> None:
    web = Web([span(1)], settled=False)
    text = web.get(PAGE).text
    assert "Still receiving" in text
    assert 'http-equiv="refresh"' in text
    before = web.get(f"/api/v1/traces/{HEX}/state").json()
    while settle_once(web.store, web.clock).traces:
        pass
    after = web.get(f"/api/v1/traces/{HEX}/state").json()
    assert (before["settled"], after["settled"]) == (False, True)
    assert before["version"] != after["version"]
    assert "Still receiving" not in web.get(PAGE).text


def test_an_unknown_trace_is_looked_for_again_but_not_forever() -> None:
    web = Web()
    assert 'http-equiv="refresh"' in web.get(PAGE).text
    assert "retry=2" in web.get(f"{PAGE}?retry=1").text
    assert 'http-equiv="refresh"' not in web.get(f"{PAGE}?retry=6").text


def rich() -> Web:
    """One span with everything that can hang on it."""
    event = SpanEvent(START + 500_000, "exception", {
        "exception.type": "KeyError", "exception.message": "'sku'",
        "exception.stacktrace": "Traceback:\n  line 1",
    })  # fmt: skip
    one = span(
        1, start_unix_nano=START, end_unix_nano=START + 1_000_000,
        attributes={"n": 3, "ok": True, "list": ["a", 1]}, events=(event,),
        links=(SpanLink(7, 8),), resource=Resource({"service.name": "svc", "host.name": "h1"}),
        status_code=2, status_message="it broke",
    )  # fmt: skip
    web = Web([one, span(2, 1)])
    record = LogRecord(START + 1, START, TRACE_ID, 1, 17, "ERROR", "no such sku")
    web.store.submit(telemetry_of_logs([record]), START).result()
    return web


@pytest.mark.parametrize("place", [f"spans/{ROOT}", "rows/0"])
def test_the_panel_has_all_of_a_span(place: str) -> None:
    text = rich().get(f"{PAGE}/{place}/panel").text
    for told in ("it broke", "KeyError", "Traceback:\n  line 1", "no such sku", "host.name",
                 "bool", f"/traces/{7:032x}?span={8:016x}", f"/spans/{ROOT}"):  # fmt: skip
        assert told in text, told
    assert f'data-copy="{ROOT}"' in text
    assert "<html" not in text


def test_a_span_is_a_document_too() -> None:
    document = rich().get(f"/api/v1/traces/{HEX}/spans/{ROOT}").json()
    assert document["attributes"] == {"list": ["a", 1], "n": 3, "ok": True}
    assert document["duration_ns"] == 1_000_000
    assert document["links"][0]["trace_id"] == f"{7:032x}"
    assert [log["body"] for log in document["logs"]] == ["no such sku"]


def test_what_a_trace_has_not_is_refused() -> None:
    web = rich()
    assert web.get(f"{PAGE}/spans/{99:016x}/panel").status_code == 404
    assert web.get(f"{PAGE}/rows/2/panel").status_code == 400
    assert web.get(f"{PAGE}/rows/1/panel?rows=x").status_code == 400
    assert web.get(f"/api/v1/traces/{HEX}/spans/{99:016x}").status_code == 404


def test_a_row_counted_before_more_spans_came_is_none_of_now() -> None:
    web = rich()
    assert web.get(f"{PAGE}/rows/1/panel?rows=2").status_code == 200
    refused = web.get(f"{PAGE}/rows/1/panel?rows=1")
    assert refused.status_code == 409
    assert "has 2 rows now, not 1" in refused.text


def rows_found(web: Web, question: str) -> list[int]:
    body = web.get(f"/api/v1/traces/{HEX}/find", params={"q": question}).content
    return np.flatnonzero(np.unpackbits(np.frombuffer(body, np.uint8), bitorder="little")).tolist()


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("", []),
        ("orders", list(range(21))),
        ("name:select", list(range(1, 21))),
        ("service:ORD kind:server", [0]),
        (">100ms", [0]),
        ("<=9ms", list(range(1, 21))),
        ("db.system.name=postgresql lines", list(range(1, 21))),
        ('"id = 7"', [8]),
        ("attr:db.system.name=POSTGRESQL", list(range(1, 21))),
        ("absent=1", []),
        ("status:error", []),
    ],
)
def test_find_answers_with_a_bit_for_each_row(question: str, rows: list[int]) -> None:
    assert rows_found(shop(), question) == rows


def test_exports_open_in_other_tools() -> None:
    web = shop()
    chrome = web.get(f"{PAGE}.json?fmt=chrome").json()["traceEvents"]
    path = [e for e in chrome if e.get("cat") == "critical-path"]
    assert round(sum(e["dur"] for e in path)) == 199_999
    assert sum(e["ph"] == "X" for e in chrome) == len(path) + 21
    profile = web.get(f"{PAGE}.json?fmt=speedscope").json()
    frames = [frame["name"] for frame in profile["shared"]["frames"]]
    assert {"orders › GET /orders", "orders › SELECT lines"} <= set(frames)
    assert sum(profile["profiles"][0]["weights"]) == 199_999_000
    assert web.get(f"{PAGE}.json?fmt=jaeger").json()["data"]
    assert json.loads(web.get(f"{PAGE}.json").text.splitlines()[0])
    assert web.get(f"{PAGE}.json?fmt=fax").status_code == 400


@pytest.mark.parametrize("form", ["otlp", "jaeger", "zipkin", "chrome", "speedscope"])
def test_the_page_and_the_api_export_a_trace_by_the_same_names(form: str) -> None:
    web = shop()
    addresses = [
        f"{address}?{name}={form}"
        for address in (f"{PAGE}.json", f"/api/v1{PAGE}/export")
        for name in ("fmt", "format")
    ]
    answers = [web.get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1


def test_two_formats_for_one_export_are_refused() -> None:
    assert shop().get(f"{PAGE}.json?fmt=chrome&format=jaeger").status_code == 400


def test_a_view_is_worked_out_once_until_the_trace_changes() -> None:
    web = shop()
    views = TraceViews(most_bytes=1)
    ask = (web.store, TRACE_ID)
    first = views.view(*ask, PathOptions(), Thresholds())
    assert views.view(*ask, PathOptions(), Thresholds()) is first
    web.store.submit(telemetry_of_spans([span(50, 1)]), START).result()
    again = views.view(*ask, PathOptions(), Thresholds())
    assert again is not first
    assert again is not None
    assert again.columns.span_ids.size == 22
    assert views.view(web.store, 5, PathOptions(), Thresholds()) is None
