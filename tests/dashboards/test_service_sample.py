"""The versions of a service and its errors by type, as its page shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from longpole.analyzer.reports.operation_reasons import operation_reasons
from longpole.analyzer.reports.operation_runs import operation_runs
from longpole.analyzer.reports.service_sample import error_types, service_versions
from longpole.analyzer.settle import settle_once
from longpole.dashboards.time_window import window_of
from longpole.formats.rows import telemetry_of_spans
from longpole.model.span import Resource, Span, SpanEvent, SpanKind
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import TraceReader
from tests.dashboards.test_service_pages import MS, NOW, links
from tests.dashboards.web import TRACE_ID, Web, span

EVER = TimeRange()


def run(number: int, version: str, **fields: Any) -> Span:
    """A request of one span; the higher the number the older."""
    start = NOW - 60 * 10**9 * number
    said = {"service.version": version} if version else {}
    return span(
        1, trace_id=TRACE_ID + number, name="GET /", kind=SpanKind.SERVER, service_name="shop",
        start_unix_nano=start, end_unix_nano=start + 10 * MS,
        resource=Resource({"service.name": "shop", **said}),
        **fields,
    )  # fmt: skip


def failed(number: int, **fields: Any) -> Span:
    return run(number, "1.8.2", status_code=2, **fields)


def raised(kind: str) -> tuple[SpanEvent, ...]:
    return (SpanEvent(NOW, "exception", {"exception.type": kind}),)


def test_versions_have_their_shares_and_the_new_one_is_marked_on_the_charts() -> None:
    web = Web([run(n, "1.8.3" if n in (1, 2) else "1.8.2") for n in range(1, 9)])
    old, new = service_versions(web.store, "shop", EVER)["versions"]
    assert (old["version"], old["share"], old["is_new"]) == ("1.8.2", 0.75, False)
    assert (new["version"], new["share"], new["is_new"]) == ("1.8.3", 0.25, True)
    assert new["first_seen_unix_nano"] == NOW - 120 * 10**9
    page = web.get("/services/shop").text
    head = page.split('class="facts"', 1)[1].split("</p>", 1)[0]
    assert "1.8.2" in head
    assert "8 sampled traces" in head
    assert page.count("version 1.8.3 first seen") == 3  # one on each chart
    assert "1.8.2 first seen" not in page


def test_a_service_that_says_no_version_shows_none() -> None:
    web = Web([run(1, "")])
    assert service_versions(web.store, "shop", EVER)["versions"] == []
    assert "Version" not in web.get("/services/shop").text.split("</p>", 1)[0]


def test_errors_are_counted_by_attribute_exception_message_and_code() -> None:
    web = Web([
        failed(1, attributes={"error.type": "TimeoutError"}),
        failed(2, attributes={"error.type": "TimeoutError"}, events=raised("Other")),
        failed(3, attributes={"error.type": "500"}, events=raised("KeyError")),
        failed(4, status_message="no stock"),
        failed(5, attributes={"http.response.status_code": 503}),
        failed(6),
        run(7, "1.8.2", attributes={"error.type": "NotFailed"}),
    ])  # fmt: skip
    document = error_types(web.store, "shop", EVER)
    assert [(one["key"], one["type"], one["count"]) for one in document["types"]] == [
        ("error.type", "TimeoutError", 2),
        ("", "", 1),
        ("", "KeyError", 1),
        ("http.response.status_code", "503", 1),
        ("statusMessage", "no stock", 1),
    ]
    assert (document["sampled"], document["matched"]) == (6, 6)


def test_a_type_leads_to_all_traces_that_failed_with_it() -> None:
    web = Web([
        failed(1, attributes={"error.type": "TimeoutError"}),
        failed(2, status_message='say "no"'),
        failed(3, attributes={"http.response.status_code": 503}),
        failed(4),
        failed(5, attributes={"error.type": "402"}),
    ])  # fmt: skip
    around = web.get("/services/shop/around").text.split('id="errors"', 1)[1].split("</section>")[0]
    found = {}
    for address in links(around, "/traces?"):
        (query,) = parse_qs(urlsplit(address).query)["q"]
        traces = web.get("/api/v1" + address).json()["traces"]
        found[query.rsplit("&& ", 1)[-1]] = [int(t["trace_id"], 16) - TRACE_ID for t in traces]
    assert sorted(found.values()) == [[1], [2], [3], [5]]
    assert "status 402" in around
    assert links(around, f"/traces/{TRACE_ID + 4:032x}?span=")


def test_a_type_from_telemetry_stays_text() -> None:
    hostile = "<script>alert(1)</script>"
    web = Web([failed(1, attributes={"error.type": hostile}), run(2, hostile), run(3, "1")])
    assert "<script>alert" not in web.get("/services/shop").text
    assert "<script>alert" not in web.get("/services/shop/around").text


def test_both_engines_say_the_same(tmp_path: Path) -> None:
    spans = [run(n, "1.8.3" if n < 3 else "1.8.2") for n in range(1, 9)]
    spans += [failed(9, events=raised("KeyError")), failed(10, status_message="no stock")]
    web = Web(spans)
    settings = StoreSettings(data_dir=tmp_path / "data", settle_after_seconds=0.0)
    store = DuckDBStore.open(settings, web.clock)
    store.load()
    try:
        store.submit(telemetry_of_spans(spans), web.clock.now_unix_nano()).result()
        web.clock.advance(60.0)
        while settle_once(store, web.clock).traces:
            pass
        store.seal()
        window = window_of({}, web.clock).red

        def told(reader: TraceReader) -> list[Any]:
            return [
                service_versions(reader, "shop", EVER),
                error_types(reader, "shop", EVER),
                operation_reasons(reader, "shop", EVER),
                operation_runs(reader, "shop", "GET /", window, 5 * MS),
            ]

        assert told(store) == told(web.store)
        assert told(store)[3]["run_count"] == 10
    finally:
        store.close()
