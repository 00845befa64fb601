"""With hundreds of services the first pages stay small, and all of them are reached."""

from __future__ import annotations

from html import unescape

import pytest

from longpole.dashboards.pages.overview_page import MOST_SERVICES
from longpole.dashboards.pages.services_page import PER_PAGE
from longpole.model.clock import ManualClock
from longpole.model.span import SpanKind
from tests.dashboards.test_odd_names import links
from tests.dashboards.web import Web, span

COUNT = 230


@pytest.fixture(scope="module")
def web() -> Web:
    """The higher its number, the longer a service takes."""
    start = ManualClock().now_unix_nano() - 10**10
    return Web(
        [
            span(1, trace_id=number, name="GET /", service_name=f"svc-{number:03}",
                 kind=SpanKind.SERVER, start_unix_nano=start,
                 end_unix_nano=start + number * 10**6)
            for number in range(1, COUNT + 1)
        ]
    )  # fmt: skip


def named(page: str) -> list[str]:
    """The services that the rows of the table are about, in their order."""
    table = page.partition('<table class="red services">')[2].partition("</table>")[0]
    return [link.split("?")[0].rpartition("/")[2] for link in links(table, "/services/svc")]


def test_the_overview_shows_those_with_most_time_and_leads_to_all(web: Web) -> None:
    page = web.get("/").text

    assert named(page) == [f"svc-{COUNT - n:03}" for n in range(MOST_SERVICES)]
    assert f"All {COUNT} services" in page


def test_pages_of_services_follow_one_another_without_a_gap(web: Web) -> None:
    seen: list[str] = []
    address = "/services?sort=service"
    for size in (PER_PAGE, PER_PAGE, COUNT - 2 * PER_PAGE):
        page = web.get(address).text
        assert len(named(page)) == size
        seen += named(page)
        following = [a for a in links(page, r"\?") if f"page={len(seen) // PER_PAGE + 1}" in a]
        address = "/services" + following[0] if size == PER_PAGE else ""

    assert seen == [f"svc-{n:03}" for n in range(1, COUNT + 1)]


def test_a_filter_and_an_order_count_over_all_pages_and_begin_at_the_first(web: Web) -> None:
    page = web.get("/services?filter=svc-1&page=1").text
    assert f"1–{PER_PAGE} of" not in page
    assert len(named(page)) == 100  # svc-100 to svc-199
    second = web.get("/services?page=2").text

    assert f"101–200 of {COUNT} services" in second
    assert not [a for a in links(second, r"\?") if "sort=" in a and "page=" in a]
    assert 'name="page"' not in second


@pytest.mark.parametrize(("number", "words"), [("4", "There is no page 4"), ("0", "page: '0'")])
def test_a_page_that_is_not_there_says_so(web: Web, number: str, words: str) -> None:
    assert words in unescape(web.get(f"/services?page={number}").text)


def test_the_json_still_has_every_series(web: Web) -> None:
    services = web.get("/api/v1/overview").json()["services"]

    assert len(services) == COUNT
    assert all(len(one["series"]["count"]) for one in services)
