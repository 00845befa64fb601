"""The viewer of a trace: what is drawn is what the server knows, and all of it by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open
from tests.browser.shop_stories import told
from tests.browser.site import Site
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser
_PLACES = """(all) => all.map((one) => one.getBoundingClientRect())
  .map((box) => [box.left, box.top])"""
_STARTED = "() => window.__lp_perf?.started && window.__lp_perf['waterfall-painted']"
_WHOLE_ROWS = 12


def _opened(open_page: Open, name: str, query: str = "", **how: Any) -> Page:
    page = open_page(f"/traces/{told(name).hex}{query}", **how)
    page.wait_for_function(_STARTED)
    return page


def _rows(page: Page) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = page.evaluate("() => longpoleTrace.rowsOnScreen()")
    return rows


def _selected(page: Page) -> tuple[str, str]:
    """Service and operation of the selected row."""
    found: list[str] = page.evaluate(
        """() => { const { model } = longpoleTrace; const span = model.spanOf(model.selected);
          return [model.service(span), model.operation(span)]; }"""
    )
    return found[0], found[1]


@pytest.mark.parametrize("name", ["retry-storm", "straggler", "gap"])
def test_bars_are_where_the_server_says(open_page: Open, site: Site, name: str) -> None:
    page = _opened(open_page, name)
    page.keyboard.press("u")
    page.keyboard.press("]")

    address = f"{site.address}/api/v1/traces/{told(name).hex}"
    report = httpx.get(f"{address}?spans=tree").json()
    ids = httpx.get(f"{address}/ids").content
    known = {span["span_id"]: span for span in report["spans"]}
    extent = page.evaluate("() => longpoleTrace.model.ns(longpoleTrace.model.extent)")
    spans = [row for row in _rows(page) if row["kind"] == "span"]
    root = spans[0]
    begin = known[_id(ids, root["span"])]["start_unix_nano"]
    per_ns = (root["x1"] - root["x0"]) / known[_id(ids, root["span"])]["duration_ns"]
    assert len(spans) > 8
    for row in spans:
        span = known[_id(ids, row["span"])]
        offset = span["start_unix_nano"] - begin
        assert row["x0"] == pytest.approx(root["x0"] + offset * per_ns, abs=1)
        assert row["x1"] - row["x0"] == pytest.approx(span["duration_ns"] * per_ns, abs=1)
        assert row["depth"] == span["depth"]
        assert span["duration_ns"] <= extent


def _id(ids: bytes, row: int) -> str:
    return ids[row * 8 : row * 8 + 8][::-1].hex()


def test_the_pointer_hits_the_bar_that_is_drawn_there(open_page: Open) -> None:
    page = _opened(open_page, "straggler")
    for row in _rows(page):
        middle = [(row["x0"] + row["x1"]) / 2, row["y"] + row["height"] / 2]
        hit = page.evaluate("([x, y]) => longpoleTrace.hitTest(x, y)", middle)
        assert hit["code"] == row["code"]
        assert hit["part"] in ("bar", "mark")


def test_the_verdict_is_selected_and_on_the_first_screen(open_page: Open) -> None:
    for name in ("n-plus-one", "slow-query", "retry-storm"):
        page = _opened(open_page, name)
        truth = told(name)
        assert _selected(page) == (truth.service, truth.operation)
        expect(page.locator("[role=row].selected")).to_be_in_viewport()


def test_rows_that_do_not_fit_begin_with_the_verdict_a_third_down(open_page: Open) -> None:
    page = _opened(open_page, "retry-storm")
    rows = page.locator(".scroller").bounding_box()
    verdict = page.locator("[role=row].selected").bounding_box()
    assert rows is not None
    assert verdict is not None
    assert page.evaluate("() => longpoleTrace.model.rows.codes.length * 24") > rows["height"]
    assert 0.25 < (verdict["y"] - rows["y"]) / rows["height"] < 0.4


def test_the_page_makes_two_requests(open_page: Open, watch: Callable[[], Watch]) -> None:
    page = _opened(open_page, "n-plus-one")
    page.wait_for_load_state("networkidle")
    paths = [path.split("?")[0] for path in watch().data_requests()]
    trace_id = told("n-plus-one").hex
    assert paths == [f"/traces/{trace_id}", f"/api/v1/traces/{trace_id}/columns"]


def test_a_row_put_away_is_not_selected_any_more(open_page: Open) -> None:
    page = _opened(open_page, "retry-storm")
    page.keyboard.press("]")
    page.keyboard.press("j")
    page.keyboard.press("Home")
    # Whole rows on screen and no part of one: the row below them is put away, and not made another,
    # when it was selected and the first one is gone to.
    page.evaluate(
        """(rows) => { const scroller = document.querySelector(".waterfall .scroller");
             const row = document.querySelector("[role=row].selected").offsetHeight;
             Object.assign(scroller.style, { flex: "none", height: `${rows * row}px` }); }""",
        _WHOLE_ROWS,
    )
    expect(page.locator("[role=row].row:not([hidden])")).to_have_count(_WHOLE_ROWS)
    for _ in range(_WHOLE_ROWS):
        page.keyboard.press("j")
    page.keyboard.press("Home")
    expect(page.locator("[role=row][aria-selected=true]")).to_have_count(1)
    expect(page.locator("[role=row][tabindex='0']")).to_have_count(1)
    expect(page.locator("[role=row].selected")).to_have_attribute("aria-rowindex", "2")


def test_everything_by_keyboard(open_page: Open) -> None:
    page = _opened(open_page, "retry-storm")
    page.keyboard.press("e")
    assert page.evaluate("() => longpoleTrace.model.has(longpoleTrace.model.selected, 8)")
    page.keyboard.press("[")
    expect(page.locator("[role=treegrid]")).to_have_attribute("aria-rowcount", "2")
    page.keyboard.press("]")
    expect(page.locator("[role=treegrid]")).not_to_have_attribute("aria-rowcount", "2")
    page.keyboard.press("f")
    page.keyboard.type("reserve is:error")
    page.keyboard.press("Enter")
    expect(page.get_by_role("search").locator("output")).to_have_text(re.compile(r"^\d+/\d+$"))
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    page.keyboard.press("j")
    focused = page.evaluate("() => document.activeElement?.getAttribute('role')")
    assert focused == "row"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[role=row].selected")).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[role=row].selected")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("s")
    page.keyboard.press("+")
    assert not page.evaluate("() => longpoleTrace.model.isWhole")
    page.keyboard.press("0")
    assert page.evaluate("() => longpoleTrace.model.isWhole")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next bottleneck")


def test_the_focus_stays_with_what_is_selected_and_comes_along_to_another_view(
    open_page: Open,
) -> None:
    page = _opened(open_page, "n-plus-one")
    page.keyboard.press("b")
    selected = page.locator("[role=row].selected")
    expect(selected).to_be_focused()
    scrolled = page.evaluate("scrollY")
    page.keyboard.press("End")
    expect(selected).to_be_focused()
    assert page.evaluate("scrollY") == scrolled
    page.keyboard.press("2")
    expect(page.locator("#view-flame :focus")).to_have_count(1)
    page.keyboard.press("1")
    expect(selected).to_be_focused()


def test_what_is_seen_is_in_the_address(open_page: Open) -> None:
    page = _opened(open_page, "retry-storm")
    for key in ("e", "c", "u", "s"):
        page.keyboard.press(key)
    # The id of the span comes with a request of its own.
    address = re.compile(r"span=[0-9a-f]{16}.*t=\d+-\d+.*cp=1.*g=0")
    expect(page).to_have_url(address, timeout=20_000)
    before = _selected(page), page.evaluate("() => longpoleTrace.model.from")

    page.reload()
    page.wait_for_function(_STARTED)
    assert (_selected(page), page.evaluate("() => longpoleTrace.model.from")) == before
    expect(page.get_by_role("button", name="Critical")).to_have_attribute("aria-pressed", "true")


def test_a_hidden_service_is_gone_and_comes_back(open_page: Open) -> None:
    page = _opened(open_page, "straggler")
    rows = len(_rows(page))
    button = page.get_by_role("list", name="Services").get_by_role("button").first
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert len(_rows(page)) != rows
    page.get_by_role("button", name="Show all").click()
    assert len(_rows(page)) == rows


@pytest.mark.parametrize("body", [b"nonsense", b"LPT1\xff\xff\xff\x7f"])
def test_the_table_stays_when_the_columns_are_no_good(
    open_page: Open, watch: Callable[[], Watch], browser: Any, body: bytes
) -> None:
    page = open_page("/traces")
    watch().allow("columns|console error")
    page.route("**/api/v1/traces/*/columns*", lambda route: route.fulfill(body=body))
    page.goto(f"/traces/{told('gap').hex}")
    expect(page.get_by_text("The viewer could not start")).to_be_visible()
    expect(page.get_by_role("table").first).to_be_visible()


def test_a_phone_has_names_above_bars_and_details_on_demand(open_page: Open) -> None:
    page = _opened(open_page, "n-plus-one", size=PHONE)
    expect(page.get_by_role("complementary")).to_be_hidden()
    assert {row["height"] for row in _rows(page)} == {44}
    page.locator("[role=row].selected").click()
    expect(page.get_by_role("complementary")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_details_follow_the_selection_and_come_with_the_page_at_first(open_page: Open) -> None:
    page = _opened(open_page, "n-plus-one")
    details = page.get_by_role("complementary", name="Details")
    expect(details).to_contain_text("order_lines")
    expect(details.get_by_text("db.system.name")).to_be_visible()
    root = _rows(page)[0]
    page.mouse.click(root["x0"] + 40, root["y"] + root["height"] / 2)
    expect(details.get_by_role("heading").first).to_contain_text("POST /checkout")
    expect(details.get_by_text("db.system.name")).to_be_hidden()
    details.get_by_label("Filter attributes").fill("no such attribute")
    expect(details.locator("table.attributes tr:visible")).to_have_count(0)


def test_rows_that_match_stay_in_their_places(open_page: Open) -> None:
    page = _opened(open_page, "n-plus-one")
    before = page.locator("[role=row] .self").evaluate_all(_PLACES)
    page.get_by_role("searchbox", name="Find in trace").fill("POST")
    expect(page.locator("[role=row].found").first).to_be_visible()
    assert page.locator("[role=row] .self").evaluate_all(_PLACES) == before


def test_names_keep_their_room_behind_another_view(open_page: Open) -> None:
    page = _opened(open_page, "n-plus-one")
    before = page.locator("[role=row] .self").evaluate_all(_PLACES)
    page.keyboard.press("2")
    expect(page.locator("#view-flame canvas").first).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("[role=row].selected")).to_be_visible()
    assert page.locator("[role=row] .self").evaluate_all(_PLACES) == before


def test_details_say_each_fact_of_a_span_once(open_page: Open) -> None:
    page = _opened(open_page, "slow-query")
    details = page.locator(".details")
    expect(details.get_by_text("Kind", exact=True).filter(visible=True)).to_have_count(1)
    expect(details.get_by_text("Total, self")).to_be_hidden()


def test_a_gap_promises_no_time_by_adding_spans(open_page: Open) -> None:
    verdict = _opened(open_page, "gap").get_by_role("region", name="Verdict")
    expect(verdict).to_contain_text("uninstrumented_gap")
    expect(verdict).not_to_contain_text("at best")


def test_attributes_are_found_by_the_server(open_page: Open) -> None:
    page = _opened(open_page, "n-plus-one")
    page.keyboard.press("f")
    page.keyboard.type("db.system.name=postgresql")
    expect(page.get_by_role("search").locator("output")).to_have_text(re.compile(r"/[1-9]\d*$"))
    found = page.evaluate("() => longpoleTrace.model.matchRows.length")
    assert found >= 48


def test_links_of_the_verdict_select_in_place(open_page: Open, watch: Callable[[], Watch]) -> None:
    page = _opened(open_page, "retry-storm")
    page.keyboard.press("0")
    before = len([path for path in watch().data_requests() if "/columns" in path])
    page.get_by_role("region", name="Verdict").get_by_role("link").first.click()
    truth = told("retry-storm")
    assert _selected(page) == (truth.service, truth.operation)
    expect(page.get_by_role("button", name="Critical")).to_have_attribute("aria-pressed", "true")
    assert len([path for path in watch().data_requests() if "/columns" in path]) == before
