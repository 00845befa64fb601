"""One browser for all tests here, one server of the shop, a fresh context for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.shop_rules import SHOP_RULES
from tests.browser.shop_stories import NOW, SHOP, logs_of
from tests.browser.site import Site, serving
from tests.browser.watch import Watch
from tests.flow.tools import requires

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
    "--force-color-profile=srgb", "--font-render-hinting=none",
)  # fmt: skip
# Playwright's own clock would replace timers, too.
_STANDING_CLOCK = """{ const Real = Date, now = %d;
  globalThis.Date = class extends Real {
    constructor(...given) { super(...(given.length ? given : [now])); }
    static now() { return now; }
  }; }"""
WIDE, PHONE = (1440, 900), (390, 844)
Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    requires("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(ARGUMENTS)
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def shop() -> Iterator[Site]:
    """A server with the last hour of the shop. Tests read; what writes starts its own."""
    spans = [span for story in SHOP for span in story.spans]
    with serving(spans, logs_of(SHOP), NOW, SHOP_RULES) as site:
        yield site


@pytest.fixture
def site(shop: Site) -> Site:
    """The server that `open_page` addresses; a test module may override this."""
    return shop


@pytest.fixture
def watches() -> Iterator[list[Watch]]:
    """The watch of every context of this test; any complaint fails the test at its end."""
    opened: list[Watch] = []
    yield opened
    complaints = [text for watch in opened for text in watch.complaints]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def open_page(browser: Browser, site: Site, watches: list[Watch]) -> Iterator[Open]:
    """`open_page("/traces", size=PHONE, dark=True)`: that page, in a context of its own.

    More options: `wait` (what `goto` waits for) and those of `Browser.new_context`. The clock
    of the page stands where the server's does.
    """
    contexts = []

    def opened(
        path: str, size: tuple[int, int] = WIDE, dark: bool = False, wait: Any = "load",
        **options: Any,
    ) -> Page:  # fmt: skip
        context = browser.new_context(
            base_url=site.address,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            timezone_id=options.pop("timezone_id", "UTC"),
            locale="en-GB",
            **options,
        )
        contexts.append(context)
        watches.append(Watch(context, site.address))
        if options.get("java_script_enabled", True):
            context.add_init_script(_STANDING_CLOCK % (site.clock.now_unix_nano() // 1_000_000))
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.goto(path, wait_until=wait)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def watch(watches: list[Watch]) -> Callable[[], Watch]:
    """The watch of the page that was opened last."""
    return lambda: watches[-1]
