"""What holds for every page: barriers, narrow screens, forced colours, its cost."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi import APIRouter
from fastapi.routing import APIRoute
from playwright.sync_api import Page

from longpole.dashboards import pages
from longpole.dashboards.answers import Answers
from tests.browser.conftest import PHONE, WIDE, Open
from tests.browser.pages_table import NO_PAGES, PageCase, page_cases
from tests.browser.shop_stories import HEALTHY, told
from tests.browser.watch import Watch

MODULES = [
    importlib.import_module(f"{pages.__name__}.{found.name}")
    for found in pkgutil.iter_modules(pages.__path__)
    if found.name.endswith("_page")
]
pytestmark = pytest.mark.browser
CASES = page_cases(told("n-plus-one"), HEALTHY[0])
each_page = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

_TAGS = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice")
LOOKS = ((False, WIDE), (True, PHONE), (True, WIDE), (False, PHONE))
_STYLES_AND_SCRIPTS_BYTES = 60_000
_TRACE_BYTES = 100_000
_SHIFT = 0.02


@cache
def _axe() -> Axe:
    return Axe()


def _barriers(page: Page) -> list[str]:
    """What axe objects to, one line for each element."""
    answer = _axe().run(
        page, options={"runOnly": {"type": "tag", "values": list(_TAGS)},
                       "resultTypes": ["violations"]}
    )  # fmt: skip
    return [
        f"{rule['id']}: {node['html'][:160]} ({(node.get('failureSummary') or '')[:300]})"
        for rule in answer.response["violations"]
        for node in rule["nodes"]
    ]


def _routes(router: APIRouter) -> Iterator[APIRoute]:
    """All routes, those of routers inside of it too."""
    waiting = list(router.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "original_router", None)
        if inner is not None:
            waiting.extend(inner.routes)
        else:
            assert isinstance(route, APIRoute)
            yield route


def test_every_page_of_the_application_is_in_the_table() -> None:
    paths = [case.path.partition("?")[0] for case in CASES]
    untested = []
    for module in MODULES:
        for route in _routes(module.routes(cast(Answers, None))):
            is_tested = any(route.path_regex.fullmatch(path) for path in paths)
            if route.path not in NO_PAGES and not is_tested:
                untested.append(route.path)

    assert not untested, "give them rows in pages_table.py"
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


# One visit for all of it: opening a page is most of what a test here takes.
@each_page
def test_page_is_light_and_has_no_barriers_and_fits_any_screen(
    open_page: Open, watch: Callable[[], Watch], case: PageCase
) -> None:
    page = open_page(case.path, LOOKS[0][1], LOOKS[0][0])
    page.wait_for_load_state("networkidle")

    _costs_what_it_may(page, case, watch())
    _looks_without_barriers(page, LOOKS[:2])
    if case.name == "compare":
        _tables_fit_a_tablet(page)
    _fits_a_narrow_screen_and_forced_colours(page)


@pytest.mark.full
@each_page
def test_page_has_no_barriers_in_any_look(open_page: Open, case: PageCase) -> None:
    page = open_page(case.path, LOOKS[2][1], LOOKS[2][0])
    page.wait_for_load_state("networkidle")
    _looks_without_barriers(page, LOOKS[2:])


def _looks_without_barriers(page: Page, looks: tuple[tuple[bool, tuple[int, int]], ...]) -> None:
    for dark, (width, height) in looks:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        found = _barriers(page)
        assert not found, f"dark={dark} {width} px\n" + "\n".join(found)


def _tables_fit_a_tablet(page: Page) -> None:
    page.set_viewport_size({"width": 700, "height": 900})
    wider = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")]
          .map((e) => [e.scrollWidth, e.clientWidth])
          .filter(([needed, there]) => needed > there + 1)"""
    )
    assert not wider, "tables that have to be scrolled sideways (pixels needed, there)"


def _fits_a_narrow_screen_and_forced_colours(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.emulate_media(forced_colors="active")
    needed, outside = page.evaluate(_WIDER_THAN_THE_SCREEN)
    assert needed <= 320, f"{needed} px wide because of {outside}"
    page.keyboard.press("Tab")
    outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the focus cannot be seen"


_WIDER_THAN_THE_SCREEN = """() => [document.scrollingElement.scrollWidth,
  [...document.querySelectorAll("body *")].filter((e) => {
    if (e.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let up = e.parentElement; up; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== "visible") return false;
    return true;
  }).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))]"""


def _costs_what_it_may(page: Page, case: PageCase, watch: Watch) -> None:
    html, files, weight, shift, longest_ms = page.evaluate(_COST)
    asked = watch.data_requests()
    print(f"{case.name}: HTML {html:,} B, scripts and styles {weight:,} B gz in "
          f"{files} files, {len(asked)} requests, shift {shift:.3f}, "
          f"longest task {longest_ms:.0f} ms")  # fmt: skip
    assert weight <= (_TRACE_BYTES if case.name.startswith("trace") else _STYLES_AND_SCRIPTS_BYTES)
    for _ in range(2):  # what moves only while the machine is busy does not move each time
        if shift >= _SHIFT:
            page.reload(wait_until="networkidle")
            shift = page.evaluate(_COST)[3]
    assert shift < _SHIFT


_COST = """() => new Promise((done) => {
  let shift = 0, longest = 0;
  const watch = (type, add) => new PerformanceObserver((list) => list.getEntries().forEach(add))
    .observe({ type, buffered: true });
  watch("layout-shift", (e) => { if (!e.hadRecentInput) shift += e.value; });
  watch("longtask", (e) => { longest = Math.max(longest, e.duration); });
  const files = performance.getEntriesByType("resource").filter((e) => e.name.includes("/static/"));
  const bytes = files.reduce((sum, e) => sum + e.encodedBodySize, 0);
  const [page] = performance.getEntriesByType("navigation");
  requestAnimationFrame(() => setTimeout(
    () => done([page.decodedBodySize, files.length, bytes, shift, longest]), 0));
})"""
