"""What senders write stays text on every page: no markup, no code, no addresses, no flood."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, WIDE, Open
from tests.browser.hostile_stories import HOSTILE_TRACE, hostile_logs
from tests.browser.pages_table import PageCase, page_cases
from tests.browser.shop_stories import NOW
from tests.browser.site import Site, serving

pytestmark = pytest.mark.browser
# One trace alone has nothing typical beside it; the same page is there as "compare-two". Of alerts
# with hostile labels tests/dashboards/test_alerts.py tells.
_OF_THE_SHOP = ("compare", "alert-evidence")
CASES = [case for case in page_cases(HOSTILE_TRACE) if case.name not in _OF_THE_SHOP]

_EVIDENCE = """() => {
  const bad = [];
  for (const e of document.querySelectorAll("*")) {
    for (const a of e.attributes) {
      if (a.name.startsWith("on")) bad.push(`${e.tagName} has ${a.name}`);
      if (/^(href|src|action|formaction|xlink:href|poster|data)$/.test(a.name)
          && !/^(https?:|[/?#.]|$|[\\w-]+([/?#]|$)|blob:|data:image)/i.test(a.value.trim()))
        bad.push(`${e.tagName} ${a.name}=${a.value.slice(0, 60)}`);
    }
  }
  for (const e of document.querySelectorAll("img, iframe, object, embed, base, script:not([src])"))
    bad.push(`an element ${e.tagName}`);
  if ("pwned" in window) bad.push(`ran: ${window.pwned}`);
  if (/[\\u202a-\\u202e\\u2066-\\u2069\\u0000\\u0007]/.test(document.body.innerText))
    bad.push("marks that turn text around");
  if (/(^|[^\\d])49([^\\d]|$)/.test(document.title)) bad.push("a template ran");
  return [...new Set(bad)];
}"""
_WIDTH = "() => [document.scrollingElement.scrollWidth, innerWidth]"


@pytest.fixture(scope="module")
def hostile() -> Iterator[Site]:
    with serving(HOSTILE_TRACE.spans, hostile_logs(), NOW) as site:
        yield site


@pytest.fixture
def site(hostile: Site) -> Site:
    """`open_page` goes to the hostile server here."""
    return hostile


def _is_inert(page: Page) -> None:
    assert page.evaluate(_EVIDENCE) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_texts_are_inert(open_page: Open, case: PageCase) -> None:
    page = open_page(case.path)
    page.wait_for_load_state("networkidle")

    _is_inert(page)
    for width, height in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        needed, there = page.evaluate(_WIDTH)
        assert needed <= there, f"{needed - there} px stick out at {width}"
