"""Parameters that make no sense: status 400 wherever they stand, and a way on."""

from __future__ import annotations

import re
from html import unescape

import pytest

from longpole.dashboards.mended_address import mended_address
from tests.dashboards.web import HEX, Web, span


@pytest.fixture(scope="module")
def web() -> Web:
    return Web([span(1), span(2, 1), span(3, 1)])


@pytest.mark.parametrize("path", ["/traces", "/findings", "/logs", "/map", "/services", "/"])
@pytest.mark.parametrize("wrong", ["since=nan", "since=-5h", "from=yesterday"])
def test_a_time_that_is_none_is_a_bad_request_on_every_page(
    web: Web, path: str, wrong: str
) -> None:
    answer = web.get(f"{path}?{wrong}")
    assert answer.status_code == 400
    assert wrong.partition("=")[0] in answer.text


@pytest.mark.parametrize("wrong", ["group=x", "sort=x", "page=0", "nonsense=1"])
def test_a_bad_parameter_of_the_search_page_leads_to_the_page_without_it(
    web: Web, wrong: str
) -> None:
    answer = web.get(f"/traces?q=%7B%7D&{wrong}")
    assert answer.status_code == 400
    (link,) = re.findall(r'href="([^"]*)">The same without', answer.text)
    assert unescape(link) == "/traces?q=%7B%7D"
    assert web.get(unescape(link)).status_code == 200


@pytest.mark.parametrize(
    "address", ["/map?since=nan", "/logs?since=nan", "/findings?since=nan", "/live?error=maybe"]
)
def test_a_refusal_beside_a_form_has_its_status_and_leads_to_the_page_without_it(
    web: Web, address: str
) -> None:
    path = address.partition("?")[0]
    answer = web.get(address)
    assert answer.status_code == 400
    (link,) = re.findall(r'href="([^"]*)">The same without', answer.text)
    assert unescape(link) == path
    assert web.get(path).status_code == 200


def test_a_query_that_is_still_being_typed_is_no_bad_request(web: Web) -> None:
    assert web.get("/live?q=%7B+name").status_code == 200
    assert web.get("/traces?q=%7B+name").status_code == 200


@pytest.mark.parametrize("row", ["-1", "99", "x"])
def test_a_row_that_is_not_there_is_told(web: Web, row: str) -> None:
    page = web.get(f"/traces/{HEX}?row={row}").text
    assert f"The trace has no row {row}, which this link is about: it has 3 rows" in page
    assert web.get(f"/api/v1/traces/{HEX}/spans/{2:016x}?row={row}").status_code == 400


def test_a_row_alone_selects_its_span(web: Web) -> None:
    page = web.get(f"/traces/{HEX}?row=2").text
    assert "which this link is about" not in page
    assert f'data-span="{3:016x}"' in page


def test_a_refusal_has_a_way_back(web: Web) -> None:
    page = web.get("/?since=nan&x=%22%3E%3Cb%3E").text
    assert "<b>" not in page.partition('class="ways"')[2].partition("</ul>")[0]
    assert '<a href="/">' in page
    assert '<a href="/">Overview</a>' in web.get("/nope").text


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("since: 'nan' is no duration", ("/p?a=1", "since")),
        ("there is no parameter 'a' here; known are b", ("/p?since=nan", "a")),
        ("the time range is empty: it ends before it begins", ("/p?a=1", "time")),
        ("the service is not known", ("", "")),
    ],
)
def test_what_is_blamed_is_left_out(message: str, expected: tuple[str, str]) -> None:
    assert mended_address("/p", [("since", "nan"), ("a", "1")], message) == expected
