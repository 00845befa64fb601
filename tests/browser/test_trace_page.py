"""The trace page in use: by keyboard alone, by links, and with as few requests as it promises."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import WIDE, Open
from tests.browser.shop_stories import told
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser
_PAINTED = "() => window.__lp_perf?.['waterfall-painted']"
STORM = told("retry-storm")


def _opened(open_page: Open, path: str = f"/traces/{STORM.hex}") -> Page:
    page = open_page(path, WIDE, permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_function(_PAINTED)
    return page


def _selected(page: Page) -> Locator:
    return page.locator("[role=treegrid] [role=row][aria-selected=true]")


def test_the_page_needs_its_html_and_one_more_request(
    open_page: Open, watch: Callable[[], Watch]
) -> None:
    _opened(open_page).wait_for_load_state("networkidle")

    html, columns = watch().data_requests()
    assert html == f"/traces/{STORM.hex}"
    assert columns.startswith(f"/api/v1/traces/{STORM.hex}/columns")


def test_a_reader_gets_from_the_answer_to_a_link_without_a_mouse(open_page: Open) -> None:
    page = _opened(open_page)
    expect(_selected(page)).to_contain_text("POST /reserve")

    page.keyboard.press("b")
    expect(_selected(page)).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    details = page.get_by_role("complementary", name="Details of the selected span")
    expect(details).to_be_visible()
    assert details.evaluate("(e) => e.contains(document.activeElement)"), "the focus stayed behind"
    page.keyboard.press("Escape")
    expect(details).to_be_hidden()

    page.keyboard.press("e")
    failed = _selected(page)
    expect(failed).to_contain_text("✕")
    page.evaluate("() => navigator.clipboard.writeText('')")  # other pages copied to it
    page.keyboard.press("y")
    expect(page.get_by_text("Copied the link").first).to_be_attached()
    link = page.evaluate("() => navigator.clipboard.readText()")

    name = failed.inner_text()
    index = failed.get_attribute("aria-rowindex")
    again = _opened(open_page, link[link.index("/traces/") :])
    expect(_selected(again)).to_have_attribute("aria-rowindex", index or "")
    assert _selected(again).inner_text() == name


def test_every_view_has_a_key_an_address_and_no_barrier_for_the_way_back(open_page: Open) -> None:
    page = _opened(open_page)

    for key, view in zip("2345", ("flame", "table", "map", "logs"), strict=True):
        page.keyboard.press(key)
        page.wait_for_url(re.compile(f"[?&]view={view}"))
        expect(page.get_by_role("tab", selected=True)).to_contain_text(re.compile(view, re.I))
    page.keyboard.press("1")
    expect(page.get_by_role("treegrid")).to_be_visible()


def test_letters_do_nothing_where_a_reader_switched_them_off(open_page: Open) -> None:
    page = _opened(open_page)
    page.context.add_cookies(
        [{"name": "longpole_keys", "value": "off", "url": page.url}]
    )  # fmt: skip
    page.reload()
    page.wait_for_function(_PAINTED)
    before = page.url

    page.keyboard.press("2")
    page.keyboard.press("?")

    assert page.url == before
    expect(page.locator("dialog")).to_have_count(0)


def test_the_rows_are_a_tree_that_assistive_technology_can_walk(open_page: Open) -> None:
    page = _opened(open_page)
    # Only rows in sight are elements.
    page.set_viewport_size({"width": WIDE[0], "height": 1_600})
    page.keyboard.press("]")
    rows = page.locator("[role=treegrid] [role=row][aria-level]")

    # Spans, and the gaps between them.
    page.wait_for_function(
        "(least) => document.querySelectorAll('[role=treegrid] [aria-level]').length >= least",
        arg=len(STORM.spans),
    )
    assert page.locator("[role=treegrid] [role=row][tabindex='0']").count() == 1
    levels = rows.evaluate_all("(all) => all.map((e) => Number(e.ariaLevel))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))
