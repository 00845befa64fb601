"""The map and the logs of one trace: pages of their own, and fragments for the trace page."""

from __future__ import annotations

import pytest

from longpole.formats.rows import telemetry_of_logs
from longpole.model.log import LogRecord
from longpole.model.span import SpanKind
from tests.dashboards.test_pages import HOSTILE, inert
from tests.dashboards.web import HEX, START, TRACE_ID, Web, span

MS = 1_000_000


def shop() -> Web:
    """web calls cart twice, one call fails, and cart asks a database that sends no spans."""
    spans = [span(1, name="GET /", service_name="web", kind=2, end_unix_nano=START + 100 * MS)]
    for place in (0, 1):
        begin = START + (10 + 40 * place) * MS
        times = {"start_unix_nano": begin, "end_unix_nano": begin + 30 * MS}
        first = 10 * (place + 1)
        spans += [
            span(first, 1, name="call", service_name="web", kind=3, **times),
            span(first + 1, first, name="GET /cart", service_name="cart", kind=2,
                 status_code=2 * place, **times),
            span(first + 2, first + 1, name="SELECT", service_name="cart", kind=SpanKind.CLIENT,
                 attributes={"db.system.name": "postgresql", "server.address": "db"}, **times),
        ]  # fmt: skip
    return Web(spans)


def logged(web: Web, *records: LogRecord) -> Web:
    web.store.submit(telemetry_of_logs(records), START).result()
    return web


def record(body: str, span_id: int = 0, severity: int = 9) -> LogRecord:
    return LogRecord(START + 5, START + 5, TRACE_ID, span_id, severity, "", body,
                     service_name="cart")  # fmt: skip


def test_the_map_has_an_arrow_for_each_pair_with_calls_errors_and_time() -> None:
    text = shop().get(f"/traces/{HEX}/map?fragment=1").text
    inert(text)
    assert "<html" not in text
    assert "web to cart: 2 calls, 1 error, 60 ms on the critical path behind them" in text
    assert "cart to postgresql" in text or "cart to db" in text
    assert f"/traces/{HEX}?f=%22service%3Acart%22" in text


def test_the_map_says_the_same_in_a_table() -> None:
    text = shop().get(f"/traces/{HEX}/map?fragment=1").text
    begin = '<td class="from"><bdi>web</bdi></td><td class="to"><bdi>cart</bdi>'
    row = text.partition(begin)[2].partition("</tr>")[0]
    assert '<td data-label="calls" class="number">2</td>' in row
    assert "60 ms" in row


def test_records_with_and_without_a_span_are_listed_by_time() -> None:
    web = logged(shop(), record("asked", 0x0A), record("no span", severity=17))
    text = web.get(f"/traces/{HEX}/logs?fragment=1").text
    inert(text)
    assert "<html" not in text
    assert text.count("data-at=") == 2
    assert f'href="/traces/{HEX}?span=000000000000000a&amp;view=logs"' in text
    assert 'class="s17"' in text
    assert ">no span<" in text


def test_a_trace_without_records_is_told_so() -> None:
    assert "No log record" in shop().get(f"/traces/{HEX}/logs?fragment=1").text


@pytest.mark.parametrize("part", ["map", "logs"])
def test_a_part_is_a_page_of_its_own_too(part: str) -> None:
    page = logged(shop(), record("asked")).get(f"/traces/{HEX}/{part}")
    assert page.status_code == 200
    assert '<main id="main">' in page.text
    assert f'<a href="/traces/{HEX}">' in page.text
    inert(page.text)


@pytest.mark.parametrize("part", ["map", "logs"])
def test_an_id_that_is_none_is_refused(part: str) -> None:
    assert shop().get(f"/traces/zz/{part}?fragment=1").status_code == 400


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_telemetry_stays_text(text: str) -> None:
    web = Web(
        [span(1, name=text, service_name=text), span(2, 1, name=text, service_name=f"{text}2"),
         span(3, 2, kind=3, attributes={"db.system": text, "peer.service": text})]
    )  # fmt: skip
    hostile = LogRecord(START, START, TRACE_ID, 1, 17, text, text, service_name=text)
    logged(web, hostile)
    for part in ("map", "logs"):
        for query in ("?fragment=1", ""):
            page = web.get(f"/traces/{HEX}/{part}{query}")
            assert page.status_code == 200
            inert(page.text)
            assert "<script>window" not in page.text
