"""Flame graph, table, map and logs of the trace page: by keyboard, by pointer, without barriers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Open
from tests.browser.shop_stories import told
from tests.browser.test_every_page import _barriers

pytestmark = pytest.mark.browser
STORY = told("n-plus-one")


def view(open_page: Open, name: str, more: str = "", **options: object) -> Page:
    page = open_page(f"/traces/{STORY.hex}?view={name}{more}", **options)
    expect(page.locator(f"#view-{name}")).to_be_visible()
    expect(page.locator(f"#view-{name} [role=status]:has-text('…')")).to_have_count(0)
    return page


@pytest.mark.parametrize("name", ["flame", "table", "map", "logs"])
def test_a_view_has_no_barriers(open_page: Open, name: str) -> None:
    for size, dark in ((WIDE, False), (PHONE, True)):
        page = view(open_page, name, size=size, dark=dark)
        assert not (found := _barriers(page)), found
