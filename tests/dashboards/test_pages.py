"""The pages: the answer in the first HTML, and telemetry that stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from longpole.dashboards.assets import assets
from longpole.dashboards.pages.trace_table import MAX_ROWS
from longpole.dashboards.security import CONTENT_SECURITY_POLICY
from longpole.formats.rows import telemetry_of_logs
from longpole.model.log import LogRecord
from longpole.model.span import SpanKind
from tests.dashboards.web import HEX, START, TRACE_ID, Web, span

HOSTILE = (
    "<script>window.__xss=1</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</title></textarea><svg onload=alert(1)>",
    "\x1b]0;owned\x07\u202e\x00",
)


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def inert(text: str) -> None:
    """Assert that a page runs nothing and obeys its own policy."""
    for tag, attributes in Tags(text).found:
        assert tag not in ("img", "iframe", "object", "style"), tag
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/"), attributes
        for name, value in attributes.items():
            assert name != "style", (tag, name)
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "action"):
                assert (value or "").startswith(("/", "#", "?")), (tag, name, value)


def test_the_verdict_stands_above_the_ribbon_and_the_spans() -> None:
    root = span(1, name="GET /", service_name="web", end_unix_nano=START + 9_000_000)
    call = span(2, 1, name="SELECT 1", service_name="db", end_unix_nano=START + 8_000_000)
    web = Web([root, call])
    page = web.get(f"/traces/{HEX}")
    assert page.status_code == 200
    text = page.text
    assert text.index("Where") < text.index("Why") < text.index('class="ribbon"')
    assert text.index('class="ribbon"') < text.index('class="spans"')
    assert "SELECT 1" in text
    inert(text)


def test_a_usual_trace_is_said_to_be_one() -> None:
    web = Web([span(1, name="GET /", service_name="web", end_unix_nano=START + 9_000_000)])
    text = web.get(f"/traces/{HEX}").text
    assert text.index("Nothing unusual") < text.index("Where")
    assert 'class="level' not in text


def test_a_finding_is_the_first_entry_and_names_its_detector() -> None:
    root = span(1, name="GET /", service_name="web", end_unix_nano=START + 2_000_000_000)
    query = span(
        2, 1, name="SELECT carts", service_name="web", kind=SpanKind.CLIENT,
        end_unix_nano=START + 900_000_000, attributes={"db.system.name": "postgresql"},
    )  # fmt: skip
    text = Web([root, query]).get(f"/traces/{HEX}").text
    assert "Nothing unusual" not in text
    assert text.count('<article class="entry">') == 1
    assert "warning · Slow queries" in text.partition("Where")[2].partition("Why")[0]
    assert ">slow_db_query</code>" in text.partition("Why")[2].partition("Do")[0]
    assert (
        "warning · Uninstrumented gaps" in text.partition('class="also"')[2].partition("</ul>")[0]
    )
    inert(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_telemetry_stays_text(text: str) -> None:
    web = Web(
        [span(1, name=text, service_name=text, status_message=text, trace_state=text,
              attributes={text: text, "db.query.text": text, "peer.service": text}),
         span(2, 77, name=text, kind=3, attributes={"db.system": text, "url.full": text})]
    )  # fmt: skip
    record = LogRecord(START, START, TRACE_ID, 1, 17, text, text, service_name=text)
    web.store.submit(telemetry_of_logs([record]), START).result()
    for path in (f"/traces/{HEX}", "/traces"):
        page = web.get(path)
        assert page.status_code == 200
        inert(page.text)
        assert "<script>window" not in page.text
        assert "49{%" not in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_question_stays_text(text: str) -> None:
    web = Web([span(1)])
    for asked, status in (({"q": text}, 200), ({text: "1"}, 400)):
        page = web.get("/traces", params=asked)
        assert page.status_code == status
        inert(page.text)


@pytest.mark.parametrize(
    "path",
    ["/traces", f"/traces/{HEX}", "/traces/" + "f" * 32, "/nope", assets().address("css/frame.css"),
     "/api/v1/status", "/metrics"],
)  # fmt: skip
def test_every_answer_has_the_strict_policy(path: str) -> None:
    headers = Web([span(1)]).get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"


def test_a_large_trace_shows_its_path_and_says_what_is_left_out() -> None:
    spans = [span(1, end_unix_nano=START + 10**9)]
    spans += [span(n, 1, name=f"child {n}") for n in range(2, 2 * MAX_ROWS)]
    last = START + 10**9 - 2_000_000
    spans.append(span(9_999, 1, name="the long pole", start_unix_nano=START + 50_000_000,
                      end_unix_nano=last))  # fmt: skip
    text = Web(spans).get(f"/traces/{HEX}").text
    rows = len(re.findall(r'<tr class="[^"]*" id="s', text))
    assert rows == MAX_ROWS
    assert f"{MAX_ROWS} of {2 * MAX_ROWS} spans are shown" in text
    assert re.search(r'<tr class="path[^>]*>\s*<td[^>]*>.*the long pole', text)


def test_an_unknown_trace_is_a_page_with_reasons() -> None:
    page = Web().get("/traces/" + "f" * 32)
    assert page.status_code == 404
    assert "retention" in page.text
    inert(page.text)


def test_an_id_may_be_pasted_in_any_case_and_length() -> None:
    web = Web([span(1, trace_id=0xABCDEF0123456789)])
    assert web.get("/traces/ABCDEF0123456789").status_code == 200
    pasted = web.get("/traces", params={"q": " ABCDEF0123456789 "})
    assert pasted.headers["location"] == "/traces/abcdef0123456789"


def test_a_search_without_any_trace_says_so() -> None:
    assert "No traces have arrived" in Web().get("/traces").text


def test_a_question_that_does_not_parse_keeps_the_form() -> None:
    page = Web([span(1)]).get("/traces", params={"q": "{ nope"})
    assert page.status_code == 200
    assert "unknown field" in page.text
    assert 'value="{ nope"' in page.text


def test_a_stray_span_does_not_squeeze_the_bars_of_the_others() -> None:
    root = span(1, end_unix_nano=START + 9_000_000)
    stray = span(2, 1, start_unix_nano=5, end_unix_nano=10)
    text = Web([root, stray]).get(f"/traces/{HEX}").text
    bars = re.findall(r'<rect class="c\d+" x="([\d.]+)" y="1" width="([\d.]+)"', text)
    assert sorted(bars) == [("0.00", "1000.00"), ("0.00", "2.00")]
    assert "‹" in text
    assert "cut off" in text
    inert(text)


def test_a_name_of_thousands_of_characters_is_cut_and_whole_in_its_tooltip() -> None:
    name = 'x"<' * 2000
    web = Web([span(1, name=name, service_name=name, end_unix_nano=START + 9_000_000)])
    for path in (f"/traces/{HEX}", "/traces"):
        text = web.get(path).text
        inert(text)
        shown = re.sub(r"<[^>]*>", "", text)
        assert shown.count("x&#34;") < 3000
        titles = [dict(attributes).get("title") for _, attributes in Tags(text).found]
        assert name in titles


def test_marks_that_turn_text_around_are_shown_as_unknown_characters() -> None:
    name = "GET \u202egnp.exe\u2066"
    web = Web([span(1, name=name, service_name=name, end_unix_nano=START + 9_000_000)])
    for path in (f"/traces/{HEX}", "/traces"):
        text = web.get(path).text
        assert "GET \ufffdgnp.exe\ufffd" in text
        assert "\u202e" not in text
        assert "\u2066" not in text


def test_an_empty_name_leaves_no_hole() -> None:
    page = Web([span(1, name="", end_unix_nano=START + 9_000_000)]).get(f"/traces/{HEX}").text
    assert "› <i>(no name)</i>" in page
