"""Hundreds of findings come page by page, each once, with what was chosen kept."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from longpole.dashboards.pages.findings_page import PER_PAGE
from longpole.model.clock import ManualClock
from longpole.model.span import Span, SpanKind
from tests.dashboards.test_odd_names import links
from tests.dashboards.web import Web, span

COUNT = 60
QUERY = {"db.system.name": "postgresql", "db.query.text": "SELECT * FROM t WHERE id = ?"}


def many_queries(number: int) -> list[Span]:
    """A trace in which a service sends the same query 20 times."""
    start = ManualClock().now_unix_nano() - 10**10
    fields: dict[str, Any] = {"trace_id": number, "service_name": f"svc-{number:03}"}
    spans = [
        span(1, kind=SpanKind.SERVER, start_unix_nano=start,
             end_unix_nano=start + 20 * number * 10**6, **fields)
    ]  # fmt: skip
    for place in range(20):
        begin = start + place * number * 10**6
        spans.append(
            span(2 + place, 1, name="SELECT t", kind=SpanKind.CLIENT, attributes=QUERY,
                 start_unix_nano=begin, end_unix_nano=begin + number * 10**6, **fields)
        )  # fmt: skip
    return spans


@pytest.fixture(scope="module")
def web() -> Web:
    return Web([one for number in range(1, COUNT + 1) for one in many_queries(number)])


def prints(page: str) -> list[str]:
    return re.findall(r'<article class="entry [a-z]+" id="f-([0-9a-f]{16})"', page)


@pytest.mark.parametrize("path", ["/findings", "/alerts"])
def test_pages_of_findings_follow_one_another_without_a_gap(web: Web, path: str) -> None:
    address, seen, last = f"{path}?since=1h&detector=n_plus_one_db", [], -(-COUNT // PER_PAGE)
    for number in range(1, last + 1):
        page = web.get(address).text
        seen.append(prints(page))
        assert f"Page {number} of {last}" in page
        assert "since=1h&amp;detector=n_plus_one_db" in page
        following = [a for a in links(page, r"\?") if f"page={number + 1}" in a]
        address = path + following[0] if following else ""

    assert [len(each) for each in seen] == [PER_PAGE, PER_PAGE, COUNT - 2 * PER_PAGE]
    assert len({one for each in seen for one in each}) == COUNT
    assert not address


def test_the_totals_are_of_all_pages(web: Web) -> None:
    page = web.get("/findings?since=1h&detector=n_plus_one_db&page=2").text

    assert f"{PER_PAGE + 1}–{2 * PER_PAGE} of {COUNT} entries" in page
    assert f"{COUNT} findings" in page


@pytest.mark.parametrize(("number", "words"), [("9", "There is no page 9"), ("x", "page: 'x'")])
def test_a_page_of_findings_that_is_not_there_says_so(web: Web, number: str, words: str) -> None:
    assert words in unescape(web.get(f"/findings?since=1h&page={number}").text)
