"""The palette, keys of lists, settings, and the parts of pages that scripts add."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Open
from tests.browser.shop_stories import told

pytestmark = pytest.mark.browser


def test_the_palette_goes_to_a_place_by_its_first_letters(open_page: Open) -> None:
    page = open_page("/settings")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("stat")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Status")

    page.keyboard.press("Enter")

    page.wait_for_url("**/status")


def test_the_palette_opens_a_pasted_trace(open_page: Open) -> None:
    story = told("n-plus-one")
    page = open_page("/settings")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill(story.hex.upper())

    page.keyboard.press("Enter")

    page.wait_for_url(f"**/traces/{story.hex}")


def test_the_palette_does_what_a_key_of_the_page_does_and_closes_by_escape(open_page: Open) -> None:
    page = open_page("/settings", dark=False)
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("light or dark")

    page.keyboard.press("Enter")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_arrows_of_the_palette_go_round(open_page: Open) -> None:
    page = open_page("/settings")
    page.keyboard.press("Control+k")
    first = page.get_by_role("option").first.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.get_by_role("option", selected=True).inner_text() == first

    page.keyboard.press("ArrowUp")

    expect(page.get_by_role("option").last).to_have_attribute("aria-selected", "true")


def test_j_and_k_go_through_a_list_and_enter_opens_the_entry(open_page: Open) -> None:
    page = open_page("/map?since=7d")
    rows = page.locator("[data-list] tbody tr")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(rows.nth(1).locator("a").first).to_be_focused()
    page.keyboard.press("k")
    expect(rows.nth(0).locator("a").first).to_be_focused()

    page.keyboard.press("Enter")

    page.wait_for_url(re.compile("/services/|focus="))


def test_an_arrow_of_the_map_leads_to_its_row(open_page: Open) -> None:
    page = open_page("/map?since=7d")
    arrow = page.locator("svg a.edge").first

    page.goto(page.url + (arrow.get_attribute("href") or ""))

    expect(page.locator("tr:target")).to_have_count(1)


def test_a_phone_shows_where_the_other_places_are_also_without_scripts(open_page: Open) -> None:
    page = open_page("/settings", PHONE, java_script_enabled=False)
    places = page.get_by_role("navigation", name="Main")
    expect(places.get_by_role("link", name="Status")).to_have_count(0)
    places.get_by_text("More").click()
    expect(places.get_by_role("link")).to_have_count(10)

    places.get_by_role("link", name="Status").click()

    page.wait_for_url("**/status")


def test_the_menu_of_places_opens_by_enter_and_closes_by_escape(open_page: Open) -> None:
    page = open_page("/settings", PHONE)
    menu = page.locator("details.more summary")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Findings")).to_be_focused()

    page.keyboard.press("Escape")

    expect(page.get_by_role("link", name="Findings")).to_have_count(0)
    expect(menu).to_be_focused()


def test_settings_work_without_scripts(open_page: Open) -> None:
    page = open_page("/settings", java_script_enabled=False)
    page.get_by_role("radio", name="Dark").check()
    page.get_by_role("radio", name="Off").check()

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("body")).to_have_attribute("data-keys", "off")


def test_single_letters_do_nothing_once_they_are_off_but_the_palette_opens(open_page: Open) -> None:
    page = open_page("/settings")
    page.get_by_role("radio", name="Off").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.keyboard.press("Control+k")

    expect(page.get_by_role("dialog")).to_have_count(1)


def test_times_are_shown_in_the_zone_of_the_reader(open_page: Open) -> None:
    path = f"/logs?trace={told('n-plus-one').hex}"
    page = open_page("/settings", timezone_id="Asia/Kolkata")
    page.get_by_role("radio", name="Local time").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(page.url.replace("/settings?saved=1", path))

    shown = page.locator(".record time").first

    sent = shown.get_attribute("datetime") or ""
    expect(shown).to_have_attribute("title", re.compile("UTC$"))
    assert shown.inner_text()[11:13] != sent[11:13]
    assert len(shown.inner_text()) == len(sent) - 1


def test_the_first_finding_says_where_why_and_what_to_do_on_one_screen(open_page: Open) -> None:
    page = open_page("/findings?since=7d", PHONE)

    entry = page.locator("article.entry").first

    expect(entry.locator("p").nth(2)).to_be_in_viewport()
    for word in ("Where", "Why", "Do"):
        expect(entry).to_contain_text(word)


def test_what_changed_comes_after_the_findings(open_page: Open) -> None:
    page = open_page("/findings?since=7d")

    part = page.locator("[data-part]")

    expect(part.locator("p").first).not_to_contain_text("Who is to blame")


def test_the_status_page_renews_itself_until_it_is_paused(open_page: Open) -> None:
    page = open_page("/status")
    button = page.get_by_role("button", name="Pause")

    button.click()

    expect(page.get_by_role("button", name="Refresh")).to_be_visible()


def test_a_comparison_draws_what_got_slower(open_page: Open) -> None:
    page = open_page(f"/compare?a={told('n-plus-one').hex}&b=typical")

    widths = page.locator(".delta .more").evaluate_all(
        "(bars) => bars.map((bar) => bar.getBoundingClientRect().width)"
    )

    assert max(widths) > 20  # pixels; a style of the menu once hid them all
