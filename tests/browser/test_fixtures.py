"""The browser tests can see what they are there to see."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import httpx
import pytest

from tests.browser.conftest import Open
from tests.browser.shop_stories import FAULTY, Told
from tests.browser.site import Site
from tests.browser.watch import Watch

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("story", FAULTY, ids=lambda story: story.name)
def test_each_plot_shows_the_fault_it_is_named_after(shop: Site, story: Told) -> None:
    report = httpx.get(f"{shop.address}/api/v1/traces/{story.hex}").json()
    first = report["verdict"][0]

    said = (first["service"], first["operation"], first["detector"])
    assert said == (story.service, story.operation, story.detector)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("document.body.setAttribute('onclick', 'x()')", "policy: script-src"),
        ("fetch('http://198.51.100.7/').catch(() => {})", "policy: connect-src"),
        ("document.body.innerHTML = '<p style=\"color:red\">'", "policy: style-src"),
        ("setTimeout(() => { throw new Error('broken'); })", "script: broken"),
        ("console.error('odd')", "console error: odd"),
    ],
)
def test_what_must_not_happen_is_seen(
    open_page: Open, watch: Callable[[], Watch], script: str, complaint: str
) -> None:
    page = open_page("/traces")
    page.evaluate(script)
    reached = monotonic() + 5
    while not any(complaint in text for text in watch().complaints) and monotonic() < reached:
        page.wait_for_timeout(20)

    found = watch().complaints
    watch().allow("")

    assert any(complaint in text for text in found), found
