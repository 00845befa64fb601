"""The compare page and its documents: two traces, typical, two queries, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from longpole.dashboards.changed_rows import changed_rows
from longpole.model.span import Span
from tests.dashboards.test_pages import HOSTILE, inert
from tests.dashboards.web import START, Web, span

MS = 1_000_000
SCHEMAS = Path(__file__).parent.parent.parent / "docs" / "schemas"
FAST, SLOW = 0xA, 0xB


def order(trace_id: int, queries: int, start: int = START, name: str = "GET /orders") -> list[Span]:
    """A request with so many queries of 20 ms in a row."""
    spans = [
        span(1, name=name, service_name="web", trace_id=trace_id, start_unix_nano=start,
             end_unix_nano=start + (10 + 20 * queries) * MS)
    ]  # fmt: skip
    for place in range(queries):
        begin = start + (5 + 20 * place) * MS
        spans.append(
            span(place + 2, 1, name="SELECT lines", service_name="db", kind=3, trace_id=trace_id,
                 start_unix_nano=begin, end_unix_nano=begin + 20 * MS)
        )  # fmt: skip
    return spans


def shop() -> Web:
    usual = [one for n in range(5) for one in order(0x100 + n, 1, START - (n + 1) * 1000 * MS)]
    return Web([*order(FAST, 1), *order(SLOW, 48), *usual])


def test_the_page_says_how_b_differs_before_anything_else() -> None:
    page = shop().get(f"/compare?a={FAST:032x}&b={SLOW:032x}")
    assert page.status_code == 200
    text = page.text
    inert(text)
    line = "B is 940 ms slower than A: 48 × db › SELECT lines instead of 1."
    assert text.index(line) < text.index('class="ribbon"') < text.index('class="spans merged"')
    assert "1 → <b>48</b>" in text
    assert "<b>+940 ms</b>" in text


def test_both_ribbons_share_one_scale() -> None:
    text = shop().get(f"/compare?a={FAST:032x}&b={SLOW:032x}").text
    assert "on one scale of 970 ms" in text
    short, long = text.split('class="ribbon"')[1:3]
    ends = []
    for drawn in (short, long):
        last = drawn.partition("</svg>")[0].rpartition('<rect class="c')[2]
        ends.append(sum(float(last.partition(f'{name}="')[2].partition('"')[0])
                        for name in (" x", " width")))  # fmt: skip
    assert ends[0] == pytest.approx(1000 * 30 / 970, abs=0.01)
    assert ends[1] == pytest.approx(1000, abs=0.01)


@pytest.mark.parametrize("sides", ["a={}&b=typical", "a=typical&b={}", "a={}", "b={}"])
def test_typical_is_the_base_whichever_side_says_it(sides: str) -> None:
    web = shop()
    document = web.get("/api/v1/compare/traces?" + sides.format(f"{SLOW:032x}")).json()
    jsonschema.validate(document, json.loads((SCHEMAS / "compare-traces.json").read_text()))
    assert document["base"]["name"] == "typical"
    assert document["base"]["typical"]["looked_at"] == 6
    assert document["verdict_line"].startswith("This trace is 940 ms slower than typical: 48 ×")
    text = web.get("/compare?" + sides.format(f"{SLOW:032x}")).text
    assert "around the median (30 ms) of 6 traces of this request" in text
    inert(text)


def test_the_document_fits_its_schema_and_adds_up() -> None:
    document = shop().get(f"/api/v1/compare/traces?a={FAST:032x}&b={SLOW:032x}").json()
    jsonschema.validate(document, json.loads((SCHEMAS / "compare-traces.json").read_text()))
    assert sum(node["difference_ns"] for node in document["nodes"]) == 940 * MS


def test_without_a_question_there_is_the_form() -> None:
    page = shop().get("/compare")
    assert page.status_code == 200
    assert 'name="a"' in page.text
    assert 'name="base_q"' in page.text
    inert(page.text)


def test_two_queries_are_compared_and_too_few_traces_are_said_to_be() -> None:
    page = shop().get('/compare?base_q={ name = "SELECT lines" }&head_q={}')
    assert page.status_code == 200
    assert "Too few traces to tell a change from chance" in page.text
    assert "Operations in the mean trace" in page.text
    inert(page.text)


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        ("a=zz&b=typical", 400, "zz"),
        (f"a={0xFF:032x}&b=typical", 404, "retention"),
        ("a=typical&b=typical", 400, "which traces?"),
        (f"a={SLOW:032x}&b=typical&nope=1", 400, "nope"),
        ("window=tomorrow", 400, "window"),
    ],
)
def test_a_bad_question_keeps_the_form_and_says_why(question: str, status: int, words: str) -> None:
    page = shop().get(f"/compare?{question}")
    assert page.status_code == status
    assert words in page.text
    assert 'name="base_q"' in page.text


def test_a_trace_without_others_of_its_kind_is_told_so() -> None:
    web = Web(order(SLOW, 2))
    assert "nothing is typical" in web.get(f"/compare?a={SLOW:032x}").text
    error = web.get(f"/api/v1/compare/traces?a={SLOW:032x}").json()["error"]
    assert error["code"] == "nothing_typical"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_telemetry_stays_text(text: str) -> None:
    web = Web([*order(FAST, 1, name=text), span(1, name=text, service_name=text, trace_id=SLOW)])
    inert(web.get(f"/compare?a={FAST:032x}&b={SLOW:032x}").text)
    for page in (web.get("/compare", params={"a": text}), web.get("/compare", params={"q": text})):
        inert(page.text)


def node(depth: int, moved_ns: int) -> dict[str, object]:
    figures = {"calls": 1, "errors": 0}
    return {"depth": depth, "difference_ns": moved_ns, "inclusive_difference_ns": moved_ns,
            "only_in": None, "base": figures, "head": figures}  # fmt: skip


def test_changed_rows_keep_those_above_them_and_no_others() -> None:
    depths = [(0, 0), (1, 0), (2, 50), (2, 0), (1, 0), (2, 0), (1, 0), (2, 0), (3, -50), (0, 0)]
    nodes = [node(*one) for one in depths]
    report = {"nodes": nodes, "compared": {"base_ns": 100, "head_ns": 100}}
    kept = [id(row) for row in changed_rows(report)]
    assert kept == [id(nodes[place]) for place in (0, 1, 2, 6, 7, 8)]
