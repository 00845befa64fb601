"""The page of alerts: what fires and what waits, each with what changed and traces to look at."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from longpole.dashboards.pages.alert_evidence_page import evidence_address
from tests.browser.conftest import PHONE, Open
from tests.browser.shop_rules import FIRING
from tests.browser.shop_stories import told

pytestmark = pytest.mark.browser


def alert(page: Page, name: str) -> Locator:
    return page.get_by_role("article").filter(has=page.get_by_text(name, exact=True))


def test_firing_and_pending_alerts_have_their_evidence_beside_them(open_page: Open) -> None:
    page = open_page("/alerts?since=1h")

    expect(page.get_by_text("1 firing")).to_be_visible()
    firing, pending = alert(page, "OrdersSlow"), alert(page, "ReservationsFail")
    expect(firing).to_contain_text("longer than 2600 ms")
    expect(firing).to_contain_text("service_name=order-service")
    expect(firing.get_by_role("link", name="https://runbooks.example/orders-slow")).to_be_visible()
    expect(firing).to_contain_text(re.compile(r"Changed .*mean 59.5 ms → 462 ms", re.IGNORECASE))
    expect(firing).to_contain_text("Retries: order-service made 6 attempts")
    expect(pending).to_contain_text("pending")
    expect(pending).to_contain_text("fires when it has lasted 60 min")
    expect(pending).to_contain_text(re.compile(r"Traces .*✕ 10 errors", re.IGNORECASE))
    expect(alert(page, "NobodyOrders")).to_have_count(0)


def test_a_trace_of_an_alert_opens_with_its_verdict(open_page: Open) -> None:
    page = open_page("/alerts?since=1h", size=PHONE)

    alert(page, "OrdersSlow").get_by_role("link", name="1.06 s").click()

    page.wait_for_url(f"**/traces/{told('retry-storm').hex}")
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("retry_storm")


def test_all_traces_since_an_alert_began_are_a_link(open_page: Open) -> None:
    page = open_page("/alerts?since=1h")

    alert(page, "OrdersSlow").get_by_role("link", name=re.compile("^All of order-service")).click()

    box = page.get_by_role("combobox", name="Query in TraceQL")
    expect(box).to_have_value('{ resource.service.name = "order-service" }')
    expect(page.locator("table.list tbody tr").first).to_contain_text("2.7 s")


def test_without_scripts_a_link_leads_to_the_evidence(open_page: Open) -> None:
    page = open_page("/alerts?since=1h", java_script_enabled=False)

    link = alert(page, "OrdersSlow").get_by_role("link", name=re.compile("^What changed"))

    expect(link).to_have_attribute("href", evidence_address(FIRING))
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What goes with OrdersSlow")
    expect(page.locator("main")).to_contain_text("Retries: order-service made 6 attempts")
