"""The tables of a large map come page by page, those with most path time first."""

from __future__ import annotations

import re
from html import unescape

import pytest

from longpole.dashboards.pages.map_page import PER_PAGE
from longpole.model.clock import ManualClock
from longpole.model.span import Span, SpanKind
from tests.dashboards.web import Web, span

COUNT = 130  # services in a chain, each of which calls the next


def chain(count: int = COUNT) -> list[Span]:
    """The service after `svc-K` takes K ms itself; all it calls come on top."""
    start = ManualClock().now_unix_nano() - 60 * 10**9
    end = start + sum(range(count)) * 10**6
    spans = [span(1, name="GET /", service_name="svc-0", kind=SpanKind.SERVER,
                  start_unix_nano=start, end_unix_nano=end)]  # fmt: skip
    for place in range(1, count):
        caller, callee = f"svc-{place - 1}", f"svc-{place}"
        times = {"start_unix_nano": start, "end_unix_nano": end}
        spans.append(span(2 * place, 2 * place - 1, service_name=caller, kind=3, **times))
        spans.append(span(2 * place + 1, 2 * place, service_name=callee, kind=2, **times))
        start += place * 10**6
    return spans


@pytest.fixture(scope="module")
def web() -> Web:
    return Web(chain())


def rows(page: str) -> list[tuple[int, str]]:
    """Number and callee of each row of the table of calls."""
    found = re.findall(r'<tr id="call-(\d+)">.*?<td class="to">.*?<bdi>(.*?)</bdi>', page, re.S)
    return [(int(number), name) for number, name in found]


def test_calls_with_most_path_time_come_first_and_the_rest_on_the_next_page(web: Web) -> None:
    first, second = (web.get(f"/map?since=1h&page={n}").text for n in (1, 2))

    assert rows(first) == [(n, f"svc-{COUNT - 1 - n}") for n in range(PER_PAGE)]
    assert rows(second) == [(n, f"svc-{COUNT - 1 - n}") for n in range(PER_PAGE, COUNT - 1)]
    assert f"{PER_PAGE + 1}–{COUNT - 1} of {COUNT - 1}" in second
    assert "Page 2 of 2" in second


def test_an_arrow_leads_to_its_row_on_whatever_page(web: Web) -> None:
    page = unescape(web.get("/map?since=1h&page=2").text)

    assert f'href="#call-{PER_PAGE}"' in page
    assert 'href="/map?page=1&since=1h#call-0"' in page


def test_shares_tell_the_calls_of_a_chain_apart(web: Web) -> None:
    edges = web.get("/api/v1/map?since=1h").json()["edges"]

    assert min(edge["critical_share"] for edge in edges[: COUNT // 4]) > 0.9
    assert len({edge["callee_critical_ns"] for edge in edges}) == COUNT - 1
    assert sum(edge["callee_critical_share"] for edge in edges) <= 1.001


def test_a_service_that_is_not_there_is_not_found(web: Web) -> None:
    answer = web.get("/map?since=1h&focus=no-such-service")

    assert answer.status_code == 404
    assert "There is no service or peer 'no-such-service'" in unescape(answer.text)
    assert 'href="/map?since=1h"' in answer.text
    assert "svc-1" not in answer.text


def test_without_namespaces_a_map_too_large_to_draw_shows_its_busiest_nodes() -> None:
    page = Web(chain(160)).get("/map?since=1h").text
    drawn = re.findall(r"<text[^>]*>(?:<bdi>)?(svc-\d+)<", page)

    assert "the 80 with most of the critical path are drawn, 80 others are in the tables" in page
    assert sorted(drawn) == sorted(f"svc-{place}" for place in range(80, 160))
    assert "(no namespace)" not in page


@pytest.mark.parametrize(("count", "looks"), [(4, ""), (9, "checked"), (40, "offered")])
def test_a_map_wider_than_the_page_can_be_seen_whole(count: int, looks: str) -> None:
    page = Web(chain(count)).get("/map?since=1h").text
    offered = re.search(r'<input type="checkbox" autocomplete="off"([^>]*)> The whole map', page)
    assert (offered is not None) == bool(looks)
    assert offered is None or (offered[1].strip() == "checked") == (looks == "checked")
