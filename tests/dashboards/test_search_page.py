"""The search page: what it finds, in which order, what it counts, and what it says of nothing."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import jsonschema
import pytest

from longpole.dashboards.mini_ribbon import SLOTS, mini_ribbon
from longpole.dashboards.pages.result_position import result_position
from longpole.formats.rows import telemetry_of_spans
from tests.cli.test_json_outputs import schema
from tests.dashboards.test_pages import HOSTILE, Tags, inert
from tests.dashboards.web import HEX, START, Web, span

SECOND = 10**9
EVER = {"since": "100d"}


def trace(number: int, ms: int = 10, service: str = "web", **fields: Any) -> list[Any]:
    """A trace of a root and a call that takes nearly all of its time; it starts `number` seconds
    after START."""
    start = START + number * SECOND
    end = start + ms * 1_000_000
    root = span(1, trace_id=number, service_name=service, name="GET /", kind=2,
                start_unix_nano=start, end_unix_nano=end, **fields)  # fmt: skip
    call = span(2, 1, trace_id=number, service_name="db", name="SELECT 1", kind=3,
                start_unix_nano=start + 1000, end_unix_nano=end - 1000)  # fmt: skip
    return [root, call]


def shop() -> Web:
    """Nine traces: the fourth is slow, the fifth failed."""
    spans = []
    for number in range(1, 10):
        fields = {"status_code": 2} if number == 5 else {}
        service, ms = "web" if number < 8 else "admin", 900 if number == 4 else 10 + number
        spans += trace(number, ms, service, attributes={"http.route": f"/{number % 2}"}, **fields)
    return Web(spans)


def listed(text: str) -> list[int]:
    """Numbers of the traces of a page, in order."""
    return [int(one, 16) for one in re.findall(r'<tr data-trace="([0-9a-f]+)"', text)]


def pages_of(text: str) -> str:
    return text.partition('aria-label="Pages"')[2].partition("</nav>")[0]


def links(text: str) -> list[str]:
    return [unescape(a["href"] or "") for tag, a in Tags(text).found if tag == "a" and "href" in a]


def test_rows_are_newest_first_and_can_be_sorted_by_what_hurts() -> None:
    web = shop()
    for sort, first in (("", [9, 8, 7]), ("slowest", [4, 9, 8]), ("errors", [5, 9, 8])):
        page = web.get("/traces", params={**EVER, "sort": sort})
        assert listed(page.text)[:3] == first
        inert(page.text)


def test_a_row_says_how_slow_it_is_who_held_it_up_and_why() -> None:
    text = shop().get("/traces", params={**EVER, "sort": "slowest"}).text
    row = text.partition('<tr data-trace="')[2].partition("</tr>")[0]
    assert "900 ms" in row
    assert re.search(r'title="typical: 15 ms">60×', row)
    assert 'aria-label="db 100 %' in row
    assert "SELECT 1" in row.partition('class="why"')[2]
    assert "result=1" in row
    assert "sort=slowest" in row


def test_each_facet_leads_to_as_many_traces_as_it_counts() -> None:
    web = shop()
    text = web.get("/traces", params=EVER).text
    facets = text.partition('<aside class="facets"')[2]
    options = re.findall(r'<a href="([^"]*)".*?<span class="count">([\d,]+)</span>', facets)
    assert len(options) > 8
    for address, count in options:
        narrowed = web.get(unescape(address)).text
        assert len(listed(narrowed)) == int(count), address
        assert 'class="chips"' in narrowed


def test_an_active_facet_and_a_chip_lead_back() -> None:
    web = shop()
    q = '{ resource.service.name = "db" && status = unset }'
    text = web.get("/traces", params={**EVER, "q": q}).text
    back = links(text.partition('class="chips"')[2].partition("</ul>")[0])
    assert len(back) == 2
    assert "resource.service.name" not in back[0]
    assert 'aria-current="true"><span class="label"><span class="key' in text


def test_older_pages_go_on_where_the_newer_ended_whatever_arrives() -> None:
    web = Web([one for number in range(1, 121) for one in trace(number)])
    web.clock.advance((START + 300 * SECOND - web.clock.now_unix_nano()) / 1e9)
    first = web.get("/traces").text
    (older,) = links(pages_of(first))
    web.clock.advance(1)
    late = trace(310)
    web.store.submit(telemetry_of_spans(late), START).result()
    second = web.get(older).text
    assert listed(first) + listed(second) == list(range(120, 20, -1))
    newer, _ = links(pages_of(second))
    assert listed(web.get(newer).text) == listed(first)


def test_groups_by_cause_count_and_lead_to_their_traces() -> None:
    web = shop()
    text = web.get("/traces", params={**EVER, "group": "cause"}).text
    inert(text)
    groups = re.findall(
        r'<tr>\s*<td class="number">(\d+) .*?<td class="cause"><a href="([^"]*)"', text, re.S
    )
    assert len(groups) == 2  # one of them failed
    assert sum(int(count) for count, _ in groups) == 9
    for count, address in groups:
        assert len(listed(web.get(unescape(address)).text)) == int(count)


def test_nothing_found_says_which_condition_removes_everything() -> None:
    web = shop()
    q = '{ resource.service.name = "web" && name = "nope" }'
    text = web.get("/traces", params={**EVER, "q": q}).text
    said = text.partition('class="empty wide"')[2]
    assert "name = &#34;nope&#34;" in said
    (link,) = links(said)
    assert len(listed(web.get(link).text)) == 7
    assert "7 would" in said


def test_nothing_in_that_time_leads_to_all_times() -> None:
    web = shop()
    text = web.get("/traces", params={"to": "2001-01-01T00:00:00Z", "from": "2000-12-31"}).text
    (link,) = links(text.partition('class="empty wide"')[2])
    assert len(listed(web.get(link).text)) == 9


def test_an_empty_store_says_where_to_send() -> None:
    web = Web()
    assert "longpole demo" in web.get("/traces").text


def test_a_query_that_does_not_parse_is_marked_where_it_fails() -> None:
    text = shop().get("/traces", params={"q": '{ name = "x" && kind = nope }'}).text
    assert "<mark>n</mark>ope }" in text
    assert 'data-error-at="23"' in text
    inert(text)
    meant = shop().get("/traces", params={"q": "duration > 1s"}).text
    assert "/traces?q=%7B+duration" in meant.partition("Did you mean")[2]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text_in_rows_facets_groups_and_pictures(text: str) -> None:
    web = Web(trace(1, service=text, attributes={"http.route": text, "host.name": text}))
    for asked in ({}, {"group": "cause"}, {"q": f"{{ name = `{text}` }}"}, {"cause": text}):
        page = web.get("/traces", params={**EVER, **asked})
        assert page.status_code == 200
        inert(page.text)
    for name in ("sort", "page", "before", "group", "since", "nonsense"):
        inert(web.get("/traces", params={name: text}).text)


def test_the_search_document_fits_its_schema() -> None:
    answer = shop().get("/api/v1/search", params={"with": "list,facets,causes,scatter"})
    document = answer.json()
    jsonschema.validate(document, schema("search"))
    assert document["matched"] == 9
    assert [row["number"] for row in document["traces"]] == list(range(1, 10))
    assert (
        sum(p["end_unix_nano"] - p["start_unix_nano"] for p in document["traces"][0]["path"])
        == (document["traces"][0]["duration_ns"])
    )
    assert len(document["scatter"]["trace_ids"]) == 9
    nothing = Web().get("/api/v1/search", params={"with": "list,facets,causes,scatter"}).json()
    jsonschema.validate(nothing, schema("search"))


@pytest.mark.parametrize(
    "wrong", [{"sort": "best"}, {"page": "0"}, {"with": "all"}, {"per_page": "9999"}, {"x": "1"}]
)
def test_a_wrong_parameter_of_a_search_is_named(wrong: dict[str, str]) -> None:
    answer = shop().get("/api/v1/search", params=wrong)
    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["error"]["message"]


def test_a_completion_fits_its_schema_and_offers_what_occurs() -> None:
    answer = shop().get("/api/v1/completion", params={"q": '{ .http.route = "'}).json()
    jsonschema.validate(answer, schema("completion"))
    assert [(o["text"], o["count"]) for o in answer["options"]] == [('"/1"', 5), ('"/0"', 4)]
    assert Web().get("/api/v1/completion", params={"q": "x" * 5000}).json()["options"] == []


def test_a_trace_knows_its_place_among_the_results() -> None:
    web = shop()
    answers = web.answers
    asked = {**{k: [v] for k, v in EVER.items()}, "sort": ["slowest"], "result": ["1"],
             "view": ["flame"]}  # fmt: skip
    place = result_position(answers, asked, f"{9:032x}")
    assert place is not None
    assert (place.number, place.count, place.is_more) == (2, 9, False)
    assert place.previous is not None
    assert place.previous.startswith(f"/traces/{4:032x}?")
    assert "result=1" in place.previous
    assert "view" not in place.previous
    assert listed(web.get(place.list_address).text)[1] == 9
    assert result_position(answers, asked, HEX) is None
    assert result_position(answers, {}, f"{9:032x}") is None
    assert result_position(answers, {**asked, "q": ["{ nope"]}, f"{9:032x}") is None


def test_the_small_ribbon_gives_each_slot_to_who_held_most_of_it() -> None:
    def piece(service: str, start: int, end: int) -> dict[str, Any]:
        return {"service": service, "start_unix_nano": start, "end_unix_nano": end}

    drawn = mini_ribbon(
        [piece("a", 100, 120), piece("b", 120, 150), piece("a", 180, 200)], 100, 100
    )
    assert [(run.service, run.x, run.width) for run in drawn.runs] == [
        ("a", 0, 12), ("b", 12, 36), ("a", 48, 12),
    ]  # fmt: skip
    assert [(name, round(part, 2)) for name, part in drawn.shares] == [("a", 0.57), ("b", 0.43)]
    assert sum(run.width for run in drawn.runs) == SLOTS
    assert mini_ribbon([], 0, 10).runs == ()
    assert mini_ribbon([piece("a", 0, 10)], 0, 0).runs == ()
