"""Flame graph, table, map and logs of the trace page: by keyboard, by pointer, without barriers."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open
from tests.browser.shop_stories import told
from tests.browser.test_every_page import LOOKS, _looks_without_barriers

pytestmark = pytest.mark.browser
STORY = told("n-plus-one")


def view(open_page: Open, name: str, more: str = "", **options: object) -> Page:
    page = open_page(f"/traces/{STORY.hex}?view={name}{more}", **options)
    expect(page.locator(f"#view-{name}")).to_be_visible()
    expect(page.locator(f"#view-{name} [role=status]:has-text('…')")).to_have_count(0)
    if name == "flame":  # a worker lays it out
        page.wait_for_function("() => window.longpoleFlame?.picture()")
    return page


@pytest.mark.parametrize("name", ["flame", "table", "map", "logs"])
def test_a_view_has_no_barriers(open_page: Open, name: str) -> None:
    _looks_without_barriers(view(open_page, name), LOOKS[:2])


def test_table_map_and_logs_lead_to_their_spans(open_page: Open) -> None:
    page = view(open_page, "table")
    find = page.get_by_role("searchbox", name="Find in trace")
    row = page.locator(".tally tbody tr", has_text=STORY.operation)
    expect(row.locator("td").first).to_have_text("48")

    row.get_by_role("button", name=STORY.operation).click()

    expect(page.locator("#view-waterfall")).to_be_visible()
    expect(page.locator(".find output")).to_have_text("1/48")
    expect(find).to_have_value(f'service:{STORY.service} "name:{STORY.operation}"')

    page.keyboard.press("4")
    page.locator(".svg-map a.node", has_text=STORY.service).first.click()

    expect(page.locator("#view-waterfall")).to_be_visible()
    expect(page.locator(".find output")).to_have_text("1/50")
    expect(find).to_have_value(f'"service:{STORY.service}"')

    page.keyboard.press("5")
    link = page.locator(".trace-logs a").first
    span = (link.get_attribute("href") or "").partition("span=")[2][:16]
    link.click()

    expect(page.locator(f".trace-logs tr.selected[data-span='{span}']")).to_be_visible()


@pytest.mark.full
def test_the_flame_graph_is_walked_by_keys_and_says_where_it_is(open_page: Open) -> None:
    page = view(open_page, "flame")
    expect(page.get_by_role("button", name="In time")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("application").focus()
    depths = []
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
        depths.append(
            page.evaluate("longpoleFlame.picture().laneOf(longpoleFlame.picture().selected())")
        )
    assert min(depths) == 0
    assert depths[-1] == 1
    page.keyboard.press("Enter")
    before = page.evaluate("longpoleFlame.picture().window()")
    page.keyboard.press("0")
    after = page.evaluate("longpoleFlame.picture().window()")
    assert after[0] <= before[0]
    assert after[1] >= before[1]
    expect(page.locator("[aria-live=polite].unseen")).to_contain_text("critical path")


@pytest.mark.full
def test_merged_frames_hold_all_of_the_critical_path(open_page: Open) -> None:
    page = view(open_page, "flame", "&flame=merged:critical")
    expect(page.get_by_role("button", name="Merged")).to_have_attribute("aria-pressed", "true")
    extent, path = page.evaluate("[longpoleFlame.picture().extent, longpoleTrace.model.rootTicks]")
    assert extent == path
    page.get_by_label("Width of a frame").select_option("total")
    expect(page).to_have_url(re.compile(r"flame=merged(:|%3A)total"))


@pytest.mark.full
def test_a_click_on_a_frame_selects_and_zooms_to_it(open_page: Open) -> None:
    page = view(open_page, "flame")
    box = page.locator(".flame-canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 25)
    hit = page.evaluate("longpoleFlame.picture().selected()")
    assert page.evaluate(f"longpoleFlame.picture().laneOf({hit})") == 1
    expect(page.locator(".flame-crumbs [aria-current]")).to_be_visible()


@pytest.mark.full
def test_the_table_is_sorted_by_what_its_headings_say(open_page: Open) -> None:
    page = view(open_page, "table")
    spans = page.locator(".tally thead th[data-figure=count]")
    rows = page.locator(".tally tbody tr")
    for order, edge in (("descending", rows.first), ("ascending", rows.last)):
        spans.get_by_role("button", name="Spans").click()
        expect(spans).to_have_attribute("aria-sort", order)
        expect(edge).to_contain_text(STORY.operation)
    page.get_by_role("button", name="Service", exact=True).click()
    expect(rows.filter(has_text=STORY.service).locator("td").first).to_have_text("50")
    expect(page).to_have_url(re.compile("by=service"))


@pytest.mark.full
def test_on_a_phone_table_and_map_need_no_scrolling_sideways(open_page: Open) -> None:
    for name, part in (("table", ".tally-scroll"), ("map", "#view-map .scroll")):
        page = view(open_page, name, size=PHONE)
        expect(page.locator(part)).to_be_visible()
        wide, room = page.locator(part).evaluate("(e) => [e.scrollWidth, e.clientWidth]")
        assert wide <= room
        # A name that is broken into letters makes a row taller than a few lines.
        tallest = page.locator(f"{part} tbody tr").evaluate_all(
            "(rows) => Math.max(...rows.map((row) => row.getBoundingClientRect().height))"
        )
        assert tallest < 110


@pytest.mark.full
def test_logs_are_filtered_and_select_their_span(open_page: Open) -> None:
    page = view(open_page, "logs")
    rows = page.locator(".trace-logs tbody tr")
    expect(rows.first).to_be_visible()
    whole = rows.count()
    link = page.locator(".trace-logs a").first
    span = (link.get_attribute("href") or "").partition("span=")[2][:16]
    link.click()
    expect(page.locator(f".trace-logs tr.selected[data-span='{span}']").first).to_be_visible()
    page.get_by_label("Find in logs").fill("no record says this")
    expect(page.locator(".trace-logs tbody tr:visible")).to_have_count(0)
    expect(page.locator("#view-logs output")).to_have_text(f"0 of {whole}")
