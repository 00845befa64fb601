"""Overview, services, one service, one operation: figures of settled traces, and links."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest

from longpole.model.clock import ManualClock
from longpole.model.span import Span, SpanKind
from tests.dashboards.web import TRACE_ID, Web, span

MS = 1_000_000
NOW = ManualClock().now_unix_nano()
HOSTILE = '"><script>alert(1)</script>'
OPERATION = "/services/shop/op?name=GET%20/cart"
SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"


def request(number: int, ago_s: int, took_ms: int, **fields: Any) -> list[Span]:
    """A trace of two services: `shop` is asked and asks `db`, which takes half of the time."""
    start = NOW - ago_s * 10**9
    common: dict[str, Any] = {"trace_id": TRACE_ID + number, **fields}
    return [
        span(1, start_unix_nano=start, end_unix_nano=start + took_ms * MS, name="GET /cart",
             kind=SpanKind.SERVER, service_name="shop", **common),
        span(2, 1, start_unix_nano=start, end_unix_nano=start + took_ms * MS // 2,
             name="SELECT carts", kind=SpanKind.CLIENT, service_name="db", **common),
    ]  # fmt: skip


def shop(name: str = "") -> Web:
    """20 requests within the last 20 minutes, the newest one slow and failed."""
    spans = [s for n in range(1, 20) for s in request(n, 60 * n, 40)]
    spans += request(0, 60, 3000, status_code=2)
    if name:
        spans += [span(1, trace_id=7, name=name, service_name=name, kind=SpanKind.SERVER,
                       start_unix_nano=NOW - 10**10, end_unix_nano=NOW - 10**10 + MS)]  # fmt: skip
    return Web(spans)


def links(page: str, part: str) -> list[str]:
    """The addresses on a page that contain this text."""
    return [a for a in map(unescape, re.findall(r'href="([^"]+)"', page)) if part in a]


def test_the_overview_says_what_is_slow_and_what_fails() -> None:
    page = shop().get("/").text
    assert "Top bottlenecks" in page
    (shop_link, *_) = links(page, "/services/shop/op")
    assert parse_qs(urlsplit(shop_link).query)["name"] == ["GET /cart"]
    assert "5.0 %" in page  # 1 of 20
    assert "Findings" in page


def test_an_empty_store_says_how_to_send_traces() -> None:
    page = Web().get("/").text
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in page
    assert "longpole demo" in page


def test_a_window_without_traces_leads_to_a_longer_one() -> None:
    page = shop().get("/?from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z").text
    assert links(page, "since=7d")


def test_services_are_sorted_and_filtered_by_the_address() -> None:
    web = shop()

    def order(query: str) -> list[str]:
        page = web.get(f"/services?{query}").text
        return re.findall(r'href="/services/(\w+)\?', page)

    assert order("sort=service") == ["db", "shop"]
    assert order("sort=-p99_ns") == ["shop", "db"]
    assert order("filter=SHO") == ["shop"]
    assert web.get("/services?sort=nope").status_code == 400


def test_a_heading_turns_the_order_around_and_keeps_the_filter() -> None:
    page = shop().get("/services?sort=-rate&filter=o").text
    assert 'aria-sort="descending"' in page
    assert any("sort=rate" in a and "filter=o" in a for a in links(page, "sort="))


def test_a_service_page_has_its_verdict_charts_and_operations_without_scripts() -> None:
    page = shop().get("/services/shop").text
    for text in ("Where time goes", "Latency heat map", "Operations", "GET /cart"):
        assert text in page
    assert page.count("<figure") == 3
    assert links(page, f"/traces/{TRACE_ID:032x}")


def test_a_cell_of_the_heat_map_leads_to_its_traces() -> None:
    web = shop()
    cells = [a for a in links(web.get("/services/shop").text, "/traces?") if "duration" in a]
    found: dict[str, int] = {}
    for address in cells:
        report = web.get("/api/v1" + address).json()
        found |= {t["trace_id"]: t["duration_ns"] for t in report["traces"]}
    assert len(found) == 20
    slow = next(
        a for a in cells if "duration > 2000000000ns" in parse_qs(urlsplit(a).query)["q"][0]
    )
    assert [t["duration_ns"] for t in web.get("/api/v1" + slow).json()["traces"]] == [3000 * MS]


def test_an_operation_page_shows_one_operation() -> None:
    page = shop().get("/services/shop/op?name=GET%20/cart").text
    assert "20 runs" in page
    assert not links(page, "SELECT")
    assert shop().get("/services/shop/op?name=nope").status_code == 404


def test_a_service_page_names_callers_and_callees() -> None:
    around = shop().get("/services/shop/around").text
    called_by, calls = around.split("Called by", 1)[1].split('id="callees"', 1)
    assert "None in these traces" in called_by
    assert links(calls, "/services/db?")


def test_what_differs_in_slow_runs_follows_the_page_and_says_when_it_cannot_tell() -> None:
    web = shop()
    (part,) = re.findall(r'data-part="([^"]+differs[^"]+)"', web.get(
        "/services/shop/op?name=GET%20/cart").text)  # fmt: skip
    assert "Too few traces" in web.get(unescape(part)).text


def test_slow_runs_are_told_apart_by_an_attribute() -> None:
    spans = []
    for number in range(240):
        is_slow = number % 12 == 0
        spans += request(number, 10 * number, 900 if is_slow else 20 + number % 3,
                         attributes={"tenant": "acme" if is_slow else "other"})  # fmt: skip
    page = Web(spans).get("/services/shop/op/differs?name=GET%20/cart").text
    assert "tenant" in page
    assert "acme" in page


def test_an_operation_says_what_was_found_in_it_most_often() -> None:
    spans = [s for n in range(1, 8) for s in request(n, 60 * n, 40)]
    for number in (8, 9, 10):  # the call fails, and with it the request
        spans += request(number, 60 * number, 40, status_code=2)
    web = Web(spans)
    rows = web.get("/services/db").text.split('id="operations"', 1)[1].split("</table>", 1)[0]
    assert "Top reason" in rows
    assert "3 × An error goes up to the user" in unescape(rows)
    (address,) = {a.split("?")[0] for a in links(rows, "/traces/")}
    assert int(address.rsplit("/", 1)[1], 16) - TRACE_ID in (8, 9, 10)
    healthy = Web([s for n in range(1, 8) for s in request(n, 60 * n, 40)])
    rows = healthy.get("/services/db").text.split('class="reason"', 1)[1]
    assert rows.startswith('><span class="muted">–')


@pytest.mark.parametrize("address", ["/", "/services", "/services/shop", OPERATION])
def test_data_of_the_last_minutes_only_offers_a_window_that_fits(address: str) -> None:
    few = Web([s for n in range(1, 4) for s in request(n, 60 * n, 40)])
    page = few.get(address).text
    (shown,) = re.findall(r'<a class="button" href="([^"]+)">data since \d\d:\d\d · zoom in', page)
    query = parse_qs(urlsplit(unescape(shown)).query)
    assert query.pop("since") == ["4m"]
    assert query == ({"name": ["GET /cart"]} if "name=" in address else {})
    again = few.get(urlsplit(address).path + unescape(shown)).text
    assert "zoom in" not in again
    assert "GET /cart" in again or address == "/services"


def test_data_that_ended_is_offered_with_both_ends() -> None:
    old = Web([s for n in range(3) for s in request(n, 1800 + 60 * n, 40)])
    (fit,) = [a for a in links(old.get("/").text, "?from=") if a in _zooms(old.get("/").text)]
    page = old.get("/" + fit).text
    assert "GET /cart" in page
    assert "zoom in" not in page


def test_a_window_that_data_fills_offers_nothing_else() -> None:
    full = Web([s for n in range(1, 30) for s in request(n, 100 * n, 40)])
    assert "zoom in" not in full.get("/").text


def _zooms(page: str) -> list[str]:
    return [unescape(a) for a in re.findall(r'href="([^"]+)">data [^<]*zoom in', page)]


def test_an_unknown_service_is_not_found_with_reasons() -> None:
    answer = shop().get("/services/nope")
    assert answer.status_code == 404
    assert "longpole services" in answer.text


def test_figures_of_a_service_are_those_of_its_requests() -> None:
    document = shop().get("/api/v1/services/shop").json()
    assert (document["count"], document["errors"], document["error_share"]) == (20, 1, 0.05)
    assert sum(document["series"]["count"]) == 20
    assert sum(sum(counts) for counts in document["heat"]["counts"]) == 20
    # All of the time of both, less what db holds.
    assert document["critical_ns"] == (19 * 40 + 3000) * MS // 2
    assert document["compared_with"] is None


def test_changes_are_against_the_time_before() -> None:
    spans = [s for n in range(4) for s in request(n, 600 + n, 40)]
    spans += [s for n in range(4, 8) for s in request(n, 3700 + n, 20)]
    document = Web(spans).get("/api/v1/overview?since=1h").json()
    (row,) = [one for one in document["services"] if one["service"] == "shop"]
    assert document["compared_with"]["is"] == "before"
    assert row["before"]["count"] == 4
    assert row["change"]["critical_ns"] == 1.0


def test_what_is_not_settled_is_counted_and_left_out() -> None:
    document = Web(request(1, 60, 40), settled=False).get("/api/v1/overview").json()
    assert (document["services"], document["unsettled"]) == ([], 1)


@pytest.mark.parametrize(
    ("schema", "address"),
    [
        ("overview", "/api/v1/overview"),
        ("service-over-time", "/api/v1/services/shop"),
        ("operation-over-time", "/api/v1/services/shop/operation?name=GET%20/cart"),
    ],
)
def test_documents_fit_their_schemas(schema: str, address: str) -> None:
    form = json.loads((SCHEMAS / f"{schema}.json").read_text())
    jsonschema.validate(shop().get(address).json(), form)


def test_names_from_telemetry_stay_text_and_lead_to_their_pages() -> None:
    web = shop(HOSTILE)
    for address in ("/", "/services"):
        page = web.get(address).text
        assert "<script>alert" not in page
        (own, *_) = links(page, "script")
        assert own.startswith("/services/~?service=%22")  # it has a slash
        assert web.get(own).status_code == 200
        assert "<script>alert" not in web.get(own).text
