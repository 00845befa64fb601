"""The search page as it is used: completion, facets, the picture, keys, causes, pages."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from longpole.dashboards.pages.rendering import fault_title
from tests.browser.conftest import Open
from tests.browser.shop_stories import SHOP, told

pytestmark = pytest.mark.browser
# Of static/js/search/scatter.js: where the picture begins and ends in its canvas.
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 20


def rows(page: Page) -> Locator:
    return page.locator("table.list tbody tr")


def matched(page: Page, count: int) -> None:
    expect(page.locator(".count b")).to_have_text(re.compile(rf"^{count} traces?$"))


def test_a_query_is_completed_by_keyboard_and_narrowed_by_a_facet(open_page: Open) -> None:
    page = open_page("/traces")
    matched(page, len(SHOP))
    box = page.get_by_role("combobox", name="Query in TraceQL")
    chosen = page.get_by_role("option", selected=True)
    box.focus()
    page.keyboard.type('{ resource.service.name = "shipp')
    expect(page.get_by_role("option").first).to_contain_text("shipping")

    page.keyboard.press("ArrowDown")
    expect(chosen).to_contain_text("shipping")
    expect(box).to_have_attribute("aria-activedescendant", "ask-option-0")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option")).to_have_count(2)
    page.keyboard.press("ArrowUp")
    expect(chosen).to_contain_text("}")
    page.keyboard.press("Enter")
    expect(box).to_have_value('{ resource.service.name = "shipping" }')
    page.keyboard.press("Enter")

    matched(page, 1)
    expect(rows(page).locator("td.root a")).to_have_attribute(
        "href", re.compile(f"^/traces/{told('timeout').hex}")
    )
    page.get_by_role("link", name=re.compile("^Remove the condition")).click()
    matched(page, len(SHOP))
    facets = page.get_by_role("complementary", name="Narrow down")
    option = facets.get_by_role("link", name=re.compile("inventory"))
    count = int(option.locator(".count").inner_text())
    assert count < len(SHOP)

    option.click()

    matched(page, count)
    expect(page.get_by_role("list", name="Conditions").get_by_role("listitem")).to_have_count(1)


def _points(page: Page) -> list[tuple[str, float, float]]:
    """Trace ids of the picture with where they must be on the page, worked out here."""
    canvas = page.locator(".scatter canvas")
    expect(canvas).to_be_visible()
    told_: dict[str, Any] = page.evaluate(
        "async () => (await (await fetch(document.querySelector('.scatter').dataset.source))"
        ".json()).scatter"
    )
    box = canvas.bounding_box()
    assert box is not None
    starts, durations = told_["starts_us"], told_["durations_ns"]
    low = math.floor(math.log10(min(durations)))
    high = math.ceil(math.log10(max(durations)))
    wide, tall = box["width"] - LEFT - RIGHT, box["height"] - TOP - BOTTOM
    return [
        (
            trace_id,
            box["x"] + LEFT + start / max(starts) * wide,
            box["y"] + TOP + (high - math.log10(duration)) / (high - low) * tall,
        )
        for trace_id, start, duration in zip(told_["trace_ids"], starts, durations, strict=True)
    ]


@pytest.mark.full
def test_a_click_on_a_dot_opens_its_trace(open_page: Open) -> None:
    page = open_page("/traces")
    slowest = told("slow-query").hex
    x, y = next((x, y) for trace_id, x, y in _points(page) if trace_id == slowest)

    page.mouse.move(x, y)
    expect(page.locator(".scatter .tip")).to_contain_text("POST /checkout")
    page.mouse.click(x, y)

    page.wait_for_url(re.compile(f"/traces/{slowest}"))


@pytest.mark.full
def test_a_drag_over_the_picture_keeps_what_is_in_the_frame(open_page: Open) -> None:
    page = open_page("/traces")
    points = _points(page)
    slow = [told(name).hex for name in ("n-plus-one", "slow-query", "retry-storm", "straggler")]
    xs = [x for trace_id, x, _ in points if trace_id in slow]
    ys = [y for trace_id, _, y in points if trace_id in slow]
    x0, x1, y0, y1 = min(xs) - 3, max(xs) + 3, min(ys) - 3, max(ys) + 3
    kept = {trace_id for trace_id, x, y in points if x0 < x < x1 and y0 < y < y1}
    assert set(slow) <= kept
    assert len(kept) < 10

    page.mouse.move(x1, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, y1)
    page.mouse.move(x0, y1)
    page.mouse.up()

    page.wait_for_url(re.compile("from="))
    matched(page, len(kept))
    shown = rows(page).evaluate_all("(rows) => rows.map((row) => row.dataset.trace)")
    assert set(shown) == kept


@pytest.mark.full
def test_two_traces_are_marked_and_compared_by_keys(open_page: Open) -> None:
    page = open_page("/traces")
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    expect(rows(page).nth(0).locator("td.root a")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator(".compare-bar")).to_contain_text("Mark a second trace")
    for key in ("j", "j", "x"):
        page.keyboard.press(key)
    expect(rows(page).nth(2).get_by_role("checkbox")).to_be_checked()
    ids = [rows(page).nth(place).get_attribute("data-trace") for place in (0, 2)]

    page.keyboard.press("C")

    page.wait_for_url(f"**/compare?a={ids[0]}&b={ids[1]}")
    page.go_back()
    expect(rows(page).nth(2).get_by_role("checkbox")).to_be_checked()
    page.get_by_role("button", name="Unmark").click()
    expect(page.locator(".compare-bar")).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/traces/{ids[0]}"))


@pytest.mark.full
def test_traces_of_one_cause_are_one_line_that_leads_to_them(open_page: Open) -> None:
    page = open_page("/traces")
    page.get_by_role("link", name="By cause").click()
    title = fault_title(told("slow-query").detector)
    line = page.locator("table.causes tbody tr", has_text=title)
    expect(line).to_have_count(1)

    line.locator("td.cause a").click()

    matched(page, 1)
    expect(rows(page)).to_have_attribute("data-trace", told("slow-query").hex)
    page.get_by_role("link", name="Remove the condition on cause").click()
    matched(page, len(SHOP))


@pytest.mark.full
def test_pages_follow_one_another_without_a_row_twice(open_page: Open) -> None:
    page = open_page("/traces")
    ids = "(rows) => rows.map((row) => row.dataset.trace)"
    first = rows(page).evaluate_all(ids)
    page.get_by_role("link", name="Older").click()
    page.wait_for_url(re.compile("page=2"))
    second = rows(page).evaluate_all(ids)
    assert len(first) == 50
    assert sorted([*first, *second]) == sorted(story.hex for story in SHOP)

    page.get_by_role("link", name="Newer").click()

    page.wait_for_url(re.compile("(?!.*page=)"))
    expect(rows(page).first).to_have_attribute("data-trace", first[0])


@pytest.mark.full
def test_lists_are_in_the_zone_of_the_reader(open_page: Open) -> None:
    page = open_page("/traces", timezone_id="Asia/Kolkata")
    sent = rows(page).first.locator("time").inner_text()
    page.context.add_cookies([{"name": "longpole_zone", "value": "local", "url": page.url}])
    page.reload()
    expect(page.get_by_role("columnheader", name="Start")).to_have_text("Start (UTC+5:30)")
    shown = rows(page).first.locator("time").inner_text()
    assert (_minutes(shown) - _minutes(sent)) % 1440 == 330
    assert shown[6:] == sent[6:]
    page.goto(f"/traces/{told('n-plus-one').hex}?view=logs")
    expect(page.locator(".trace-logs").get_by_role("columnheader", name="Time")).to_have_text(
        "Time (UTC+5:30)"
    )
    expect(page.locator(".trace-logs time").first).to_have_text(re.compile("^2026-01-02 08:3"))
    page.goto("/live")
    expect(page.get_by_role("columnheader", name="Start")).to_have_text("Start (UTC+5:30)")
    for clock in rows(page).locator("time").all_inner_texts():
        assert clock.startswith("08:")


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:5])
