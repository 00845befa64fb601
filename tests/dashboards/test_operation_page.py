"""The page of one operation: what its runs wait for, a typical run, the slow ones."""

from __future__ import annotations

import re
from typing import Any

import pytest

from longpole.analyzer.reports.operation_runs import operation_runs
from longpole.dashboards.time_window import window_of
from longpole.model.span import Span, SpanKind
from tests.dashboards.test_service_pages import MS, NOW, links
from tests.dashboards.web import TRACE_ID, Web, span

ADDRESS = "/services/shop/op?name=GET%20/cart"
SELECT = "/services/shop/op?name=SELECT%20carts"


def request(number: int, ago_s: int, took_ms: int, query_ms: int, pay_ms: int) -> list[Span]:
    """`shop` asks its database, then `pay`, one after the other, then goes on by itself."""
    start = NOW - ago_s * 10**9
    common: dict[str, Any] = {"trace_id": TRACE_ID + number}

    def at(begin_ms: int, long_ms: int) -> dict[str, int]:
        return {"start_unix_nano": start + begin_ms * MS,
                "end_unix_nano": start + (begin_ms + long_ms) * MS}  # fmt: skip

    return [
        span(1, name="GET /cart", kind=SpanKind.SERVER, service_name="shop",
             **at(0, took_ms), **common),
        span(2, 1, name="SELECT carts", kind=SpanKind.CLIENT, service_name="shop",
             attributes={"db.system.name": "postgresql"}, **at(0, query_ms), **common),
        span(3, 1, name="POST /pay", kind=SpanKind.SERVER, service_name="pay",
             **at(query_ms, pay_ms), **common),
    ]  # fmt: skip


def shop() -> Web:
    """Eleven requests of 100 ms, of which the database takes 60 and `pay` 30; one of a second."""
    spans = [s for n in range(1, 12) for s in request(n, 240 * n, 100, 60, 30)]
    return Web([*spans, *request(0, 60, 1000, 900, 50)])


def found(web: Web, operation: str = "GET /cart", **given: Any) -> dict[str, Any]:
    window = window_of({}, web.clock).red
    slower = given.get("slower_than_ns", 500 * MS)
    return operation_runs(web.store, "shop", operation, window, slower)


def test_path_time_below_a_run_goes_to_its_owners_and_adds_up() -> None:
    document = found(shop())
    held = {owner["name"]: owner["critical_ns"] // MS for owner in document["owners"]}
    assert held == {"postgresql": 11 * 60 + 900, "pay": 11 * 30 + 50, "shop": 11 * 10 + 50}
    assert [owner["is_own"] for owner in document["owners"]] == [False, False, True]
    steps = [step for step in document["steps"] if step["runs"]]
    assert sum(step["runs"] for step in steps) == document["run_count"] == 12
    assert [sum(step["mean_ns"]) // MS for step in steps] == [100] * 11 + [1000]


def test_a_database_call_is_an_operation_like_any_other() -> None:
    document = found(shop(), "SELECT carts")
    assert [(o["name"], o["share"]) for o in document["owners"]] == [("postgresql", 1.0)]
    page = shop().get(SELECT).text
    assert "postgresql" in page
    assert "12 runs" in page


def test_runs_within_runs_of_the_same_operation_count_once() -> None:
    start = NOW - 10**11
    spans = [
        span(n, n - 1, name="GET /cart", service_name="shop", kind=SpanKind.SERVER,
             start_unix_nano=start, end_unix_nano=start + (4 - n) * 10 * MS)
        for n in (1, 2, 3)
    ]  # fmt: skip
    document = found(Web(spans))
    assert (document["run_count"], document["owners"][0]["critical_ns"]) == (1, 30 * MS)


def test_the_typical_run_is_the_median_and_slow_runs_come_with_their_verdicts() -> None:
    web = shop()
    document = found(web)
    assert document["typical"]["duration_ns"] == 100 * MS
    (slow,) = document["slow"]
    assert slow["duration_ns"] == 1000 * MS
    assert slow["verdict"]
    page = web.get(ADDRESS).text
    assert links(page, f"/traces/{document['typical']['trace_id']}?span=")
    assert links(page, f"/traces/{slow['trace_id']}?span=")
    assert links(page, "/compare?a=")
    row = page.split('id="slow"', 1)[1]
    assert "1.0 s" in row or "1 s" in row or "1.00 s" in row
    assert "<time" in row


def test_without_a_slower_run_the_slowest_are_shown() -> None:
    document = found(shop(), slower_than_ns=5000 * MS)
    took = [run["duration_ns"] // MS for run in document["slow"]]
    assert took == [1000, *[100] * 7]


def test_bars_are_drawn_by_the_server_and_stack_up_to_the_whole() -> None:
    page = shop().get(ADDRESS).text.split('id="waits"', 1)[1].split("</svg>", 1)[0]
    bars = re.findall(r"<g><title>([^<]+)</title>(.*?)</g>", page)
    assert len(bars) == 12
    heights = [[float(h) for h in re.findall(r' height="([\d.]+)"', bar)] for _, bar in bars]
    assert all(len(one) == 3 for one in heights)
    assert sum(heights[0]) == pytest.approx(sum(heights[-1]) / 10, abs=0.1)
    assert "1 run" in bars[0][0]


def test_the_first_thing_said_is_where_why_and_what_to_do() -> None:
    """About the operation itself, else about what was found in its traces."""
    slow = request(0, 60, 3000, 2900, 50)
    web = Web([s for n in range(1, 12) for s in request(n, 240 * n, 100, 60, 30)] + slow)
    for address, lead in ((SELECT, False), (ADDRESS, True)):
        said = web.get(address).text.split('aria-label="Verdict"', 1)[1].split("</article>", 1)[0]
        assert ("Nothing unusual in the operation itself" in said) == lead
        assert "SELECT carts" in said.split("Why", 1)[0]
        assert "Slow quer" in said
        assert "EXPLAIN" in said.split("Do</b>", 1)[1]
        assert links(said, "/traces/")


def test_a_missing_operation_is_not_called_a_missing_trace_or_service() -> None:
    web = shop()
    operation, service = web.get("/services/shop/op?name=nope"), web.get("/services/nope")
    assert (operation.status_code, service.status_code) == (404, 404)
    assert "<h1>No such operation</h1>" in operation.text
    assert "no span nope of shop is stored" in operation.text
    assert "<h1>No such service</h1>" in service.text


def test_what_is_not_settled_yet_has_no_path_and_no_page() -> None:
    web = Web(request(1, 60, 100, 60, 30), settled=False)
    document = found(web)
    assert (document["run_count"], document["on_path"], document["owners"]) == (1, 0, [])
