"""The verdict of a trace has an address of its own, and says what the whole report says."""

from __future__ import annotations

from tests.dashboards.web import HEX, START, Web, span

MS = 10**6
GROWS = {"segments", "logs", "orphan_trees", "asynchronous"}


def test_the_verdict_alone_is_the_report_without_the_lists_that_grow() -> None:
    web = Web([span(1, end_unix_nano=START + 90 * MS), span(2, 1, end_unix_nano=START + 80 * MS)])
    whole = web.get(f"/api/v1/traces/{HEX}").json()

    alone = web.get(f"/api/v1/traces/{HEX}/verdict").json()

    assert alone == {name: value for name, value in whole.items() if name not in GROWS}


def test_an_unknown_trace_has_none_and_an_unknown_parameter_is_refused() -> None:
    web = Web([span(1)])
    assert web.get(f"/api/v1/traces/{9:032x}/verdict").status_code == 404
    assert web.get(f"/api/v1/traces/{HEX}/verdict?nonsense=1").status_code == 400
