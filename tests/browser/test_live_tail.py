"""The live tail while traces come: at the top, behind the pill, and paused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from longpole.formats.rows import telemetry_of_spans
from tests.browser.conftest import Open
from tests.browser.shop_stories import HEALTHY, MINUTE, NOW, healthy
from tests.browser.site import Site, serving

pytestmark = [pytest.mark.browser, pytest.mark.full]


@pytest.fixture
def site() -> Iterator[Site]:
    """A server to which the test sends more; eleven traces are of the last ten minutes."""
    with serving([span for story in HEALTHY[:12] for span in story.spans], [], NOW) as site:
        yield site


def _send(site: Site, number: int) -> str:
    story = healthy(number, MINUTE // 100)
    site.store.submit(telemetry_of_spans(story.spans), NOW).result()
    return story.hex


def test_new_traces_come_by_themselves_and_wait_where_they_would_disturb(
    open_page: Open, site: Site
) -> None:
    page = open_page("/live", size=(1440, 420))
    state, pill = page.locator(".live-state"), page.locator(".live-bar .pill")
    rows = page.locator("table.list tbody tr")
    expect(state).to_have_text("live")
    expect(rows).to_have_count(11)

    came = _send(site, 500)
    expect(rows.first).to_have_attribute("data-trace", came)

    page.keyboard.press("p")
    expect(state).to_have_text("paused")
    waits = _send(site, 501)
    expect(pill).to_have_text("1 new ↑")
    expect(rows.first).to_have_attribute("data-trace", came)
    pill.click()
    expect(rows.first).to_have_attribute("data-trace", waits)
    expect(pill).to_be_hidden()
    page.get_by_role("button", name="Go on").click()
    expect(state).to_have_text("live")

    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("() => scrollY > 160")
    later = _send(site, 502)
    expect(pill).to_have_text("1 new ↑")
    page.evaluate("() => scrollTo(0, 0)")
    expect(rows.first).to_have_attribute("data-trace", later)
    expect(pill).to_be_hidden()


def test_traces_that_come_have_the_time_of_the_reader(open_page: Open, site: Site) -> None:
    page = open_page("/live", timezone_id="Asia/Kolkata")
    page.context.add_cookies([{"name": "longpole_zone", "value": "local", "url": page.url}])
    page.reload()
    expect(page.locator(".live-state")).to_have_text("live")

    came = _send(site, 503)

    row = page.locator(f"tr.arrived[data-trace='{came}']")
    expect(row.locator("time")).to_have_text("08:34:04.400")
    expect(row.locator("time")).to_have_attribute("title", "2026-01-02 03:04:04.400 UTC")
