"""Several spans under one id: verdict, panel and API speak of the one that is meant."""

from __future__ import annotations

import re
from html import unescape

from longpole.analyzer.critical_path import PathOptions
from longpole.model.span import SpanKind
from tests.dashboards.web import HEX, START, TRACE_ID, Web, span

MS = 10**6
TWIN = f"{2:016x}"


def twins() -> Web:
    """A short span, and under the same id a query that takes most of the trace."""
    first = span(2, 1, name="first dup", service_name="web", end_unix_nano=START + 5 * MS)
    second = span(
        2, 1, name="second dup", service_name="web", kind=SpanKind.CLIENT,
        start_unix_nano=START + 10 * MS, end_unix_nano=START + 910 * MS,
        attributes={"db.system.name": "postgresql"},
    )  # fmt: skip
    root = span(1, name="GET /", service_name="web", end_unix_nano=START + 1000 * MS)
    return Web([root, first, second])


def test_the_verdict_shows_the_span_that_it_names_and_not_another_of_that_id() -> None:
    web = twins()
    page = web.get(f"/traces/{HEX}").text
    where = page.partition("<b>Where</b>")[2].partition("</article>")[0]
    assert "second dup" in where.partition("</p>")[0]
    evidence = where.partition('class="evidence"')[2].partition("</ol>")[0]
    assert "900 ms" in evidence
    assert "5 ms" not in evidence

    link = unescape(re.findall(r'href="([^"]*)" data-row="2">Show the span', where)[0])

    assert "row=2" in link
    panel = web.get(f"/traces/{HEX}{link}").text.partition("<template data-panel>")[2]
    assert "Slow queries" in panel.partition("</template>")[0]


def test_a_span_of_a_shared_id_says_so_and_has_only_its_own_findings() -> None:
    web = twins()
    rows = [web.get(f"/api/v1/traces/{HEX}/spans/{TWIN}?row={row}").json() for row in (1, 2)]
    assert [one["operation"] for one in rows] == ["first dup", "second dup"]
    assert [(one["row"], one["spans_of_id"], one["rows_of_id"]) for one in rows] == [
        (1, 2, [1, 2]), (2, 2, [1, 2]),
    ]  # fmt: skip
    found = [[f["detector"] for f in one["findings"]] for one in rows]
    assert "slow_db_query" not in found[0]
    assert "slow_db_query" in found[1]
    alone = web.get(f"/api/v1/traces/{HEX}/spans/{1:016x}").json()
    assert (alone["spans_of_id"], alone["rows_of_id"]) == (1, [0])


def test_the_badge_of_a_finding_is_on_the_row_that_it_names() -> None:
    web = twins()
    kept = web.answers.views.view(web.store, TRACE_ID, PathOptions(), web.answers.thresholds)
    assert kept is not None
    assert kept.columns.bottlenecks[0].row == 2


def test_a_piece_of_the_ribbon_leads_to_its_own_span_without_scripts() -> None:
    web = twins()
    ribbon = web.get(f"/traces/{HEX}").text.partition('class="ribbon"')[2].partition("<ul")[0]
    links = [unescape(link) for link in re.findall(r'href="([^"]*)" data-row', ribbon)]
    assert links
    assert all(("row=2" in link) == (TWIN in link) for link in links)
