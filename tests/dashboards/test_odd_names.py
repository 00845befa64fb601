"""Whatever a service and an operation are called, links lead to them."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote, urljoin

import pytest

from longpole.dashboards.links import operation_address, service_address
from longpole.model.clock import ManualClock
from longpole.model.span import SpanKind
from tests.dashboards.web import Web, span

NAMES = (
    "..", ".", "", "~", "/", "//", "a/b", "a/op", "a/op/runs", "op", "say", "../..", "a/../b",
    "a\\b", "%2F", "%2e%2e", "?", "#", "a?b=c&d", "a\nb", "\n", "\t", " ", "\u2028", "a;b", "+",
    "a b", "é", "日本", "<b>", "service", "{x}", ":", "http://x/y", "plain",
)  # fmt: skip
SERVICES = sorted({name or "unknown_service" for name in NAMES})  # what the store calls them
HOUR = {"since": ["1h"]}


@pytest.fixture(scope="module")
def web() -> Web:
    """A site with a service of each name, and an operation of the same name in it."""
    start = ManualClock().now_unix_nano() - 10**10
    return Web(
        [
            span(number, trace_id=number, name=name, service_name=name,
                 kind=SpanKind.SERVER, start_unix_nano=start, end_unix_nano=start + 10**6)
            for number, name in enumerate(NAMES, 1)
        ]
    )  # fmt: skip


def as_a_browser(address: str) -> str:
    """The address after a browser has taken dots out of its path."""
    path, mark, query = address.partition("?")
    dots = re.sub("%2e", ".", path, flags=re.IGNORECASE)
    has_dots = any(part in (".", "..") for part in dots.split("/"))
    return urljoin("/", dots if has_dots else path) + mark + query


def links(page: str, pattern: str) -> list[str]:
    """Addresses of a page that begin like this."""
    return [unescape(address) for address in re.findall(f'href="({pattern}[^"]*)"', page)]


@pytest.mark.parametrize("service", SERVICES, ids=ascii)
def test_any_service_is_reached_by_its_page_and_its_json(web: Web, service: str) -> None:
    page = web.get(as_a_browser(service_address(service, HOUR))).text
    (document,) = links(page, "/api/v1/services/")

    assert web.get(as_a_browser(document)).json()["service"] == service


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_operation_is_reached_by_its_address(web: Web, name: str) -> None:
    service = name or "unknown_service"
    page = as_a_browser(operation_address(service, name, HOUR))
    question = page.replace("/op?", "/operation?") if page.count("/op?") else page

    assert web.get(page).status_code == 200
    answer = web.get("/api/v1" + question).json()
    assert (answer["service"], answer["operation"]) == (service, name)


@pytest.mark.parametrize("name", ["..", "a/op", "\n", "plain"], ids=ascii)
def test_parts_and_times_of_such_a_page_are_its_own(web: Web, name: str) -> None:
    parts = [service_address(name, HOUR, part) for part in ("say", "around")]
    parts += [operation_address(name, name, HOUR, part) for part in ("runs", "differs")]
    assert {web.get(as_a_browser(part)).status_code for part in parts} == {200}

    address = as_a_browser(service_address(name, {}))
    page = web.get(address).text
    (day,) = links(page, r"\?[^\"]*since=24h")
    again = web.get(urljoin(address, day)).text

    assert title_of(again) == title_of(page)
    for field, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page):
        assert (field, unescape(value)) == ("service", name)


def test_lists_lead_to_all_of_them(web: Web) -> None:
    for page in ("/services", "/map?since=1h"):
        found = {as_a_browser(link) for link in links(web.get(page).text, "/services/")}
        reached = [web.get("/api/v1" + link).json()["service"] for link in found]
        assert sorted(reached) == SERVICES, page


def title_of(page: str) -> str:
    return page.partition("<title>")[2].partition("</title>")[0]


def test_an_ordinary_name_stays_readable_in_the_address() -> None:
    assert service_address("cart-svc", {}) == "/services/cart-svc"
    assert unquote(service_address("日本", {})) == "/services/日本"
