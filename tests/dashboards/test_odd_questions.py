"""A question that cannot have an answer is told so, instead of an empty page."""

from __future__ import annotations

from html import unescape

import pytest

from longpole.model.clock import ManualClock
from longpole.model.span import SpanKind
from tests.dashboards.test_odd_names import links
from tests.dashboards.web import Web, span


@pytest.fixture(scope="module")
def web() -> Web:
    """Sixty failed requests of one service within the last minute."""
    start = ManualClock().now_unix_nano() - 60 * 10**9
    return Web(
        [
            span(1, trace_id=number, name="GET /", kind=SpanKind.SERVER, status_code=2,
                 start_unix_nano=start + number * 10**8,
                 end_unix_nano=start + number * 10**8 + 10**6)
            for number in range(1, 61)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/findings?severity=grave", "severity: choose from critical, warning, info"),
        ("/findings?detector=n+1", "detector: choose from "),
        ("/findings?service=web", "there is no parameter 'service' here"),
        ("/alerts?state=firing", "there is no parameter 'state' here"),
        ("/findings?since=yesterday", "since: 'yesterday' is no duration"),
        ("/traces?sort=best", "sort: choose from newest, slowest"),
        ("/traces?group=team", "group: cause is what traces can be grouped by"),
        ("/traces?page=999", "There is no page 999: these traces are 2 pages."),
        ("/traces?page=0", "page: '0' is no whole number from 1"),
        ("/traces?page=last", "page: 'last' is no whole number"),
        ("/services?sort=best", "sort: choose from service"),
        ("/services?filter=nobody", "No service has “nobody” in its name."),
        ("/logs?severity=grave", "severity: choose from "),
        ("/logs?level=error", "there is no parameter 'level' here"),
        ("/logs?tab=graph", "tab: choose from records, patterns"),
        ("/logs?before=then", "'then' is no time"),
    ],
)
def test_a_page_says_what_does_not_fit(web: Web, address: str, words: str) -> None:
    assert words in unescape(web.get(address).text)


def test_after_the_last_page_a_link_leads_to_it(web: Web) -> None:
    last, *_ = [a for a in links(web.get("/traces?page=7").text, "/traces") if "page=2" in a]
    page = web.get(last).text

    assert "There is no page" not in page
    assert page.count("<tr data-trace=") == 60 % 50


@pytest.mark.parametrize("part", ["map", "logs", "map?fragment=1", "logs?fragment=1"])
def test_parts_of_an_unknown_trace_are_404_with_reasons(web: Web, part: str) -> None:
    answer = web.get(f"/traces/{99:032x}/{part}")

    assert answer.status_code == 404
    assert "it is older than the retention" in answer.text
    assert web.get(f"/traces/{5:032x}/{part}").status_code == 200


def test_a_clock_that_is_ahead_is_named_and_not_taken_for_news() -> None:
    ahead = ManualClock().now_unix_nano() + 40 * 86_400 * 10**9
    web = Web([span(1, start_unix_nano=ahead, end_unix_nano=ahead + 10**6)])

    assert "newest span in 40 d: the clock of a sender is ahead" in web.get("/?since=7d").text
