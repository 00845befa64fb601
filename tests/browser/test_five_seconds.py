"""The five-second test: without a touch, the first screen names the place, the reason and what
to do. The clock is in bench/five_seconds.py, which also goes through all faults of the shop."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import PHONE, WIDE
from tests.browser.first_screen import PROBE, Answer, first_answer
from tests.browser.shop_stories import FAULTY, HEALTHY, Told
from tests.browser.site import Site

pytestmark = pytest.mark.browser


def _answer(browser: Browser, site: Site, story: Told, size: tuple[int, int]) -> Answer:
    context = browser.new_context(
        base_url=site.address, viewport={"width": size[0], "height": size[1]}
    )
    try:
        context.add_init_script(PROBE)
        page = context.new_page()
        page.goto(f"/traces/{story.hex}")
        page.wait_for_function("() => window.__lp_answer")
        answer = first_answer(page)
    finally:
        context.close()
    assert answer is not None
    return answer


@pytest.mark.parametrize("story", FAULTY, ids=lambda story: story.name)
def test_the_first_screen_says_where_why_and_what_to_do(
    browser: Browser, shop: Site, story: Told
) -> None:
    _says_where_why_and_what_to_do(_answer(browser, shop, story, WIDE), story)


@pytest.mark.parametrize(
    "story",
    [FAULTY[0], *(pytest.param(story, marks=pytest.mark.full) for story in FAULTY[1:])],
    ids=lambda story: story.name,
)
def test_the_first_screen_of_a_phone_says_it_too(browser: Browser, shop: Site, story: Told) -> None:
    _says_where_why_and_what_to_do(_answer(browser, shop, story, PHONE), story)


def _says_where_why_and_what_to_do(answer: Answer, story: Told) -> None:
    assert answer.names(story.service, story.operation, story.detector, "Why", "Do") == []
    assert answer.is_inside, f"it reaches down to {answer.bottom:.0f} px"
    assert not answer.is_usual


@pytest.mark.parametrize("story", HEALTHY[:2], ids=lambda story: story.name)
def test_a_healthy_trace_raises_no_alarm(browser: Browser, shop: Site, story: Told) -> None:
    assert _answer(browser, shop, story, WIDE).is_usual
