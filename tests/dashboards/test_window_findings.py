"""What only many traces show is named on pages like everything else, and can be asked for."""

from __future__ import annotations

import re

import pytest

from longpole.model.clock import ManualClock
from longpole.model.span import Resource, SpanKind
from tests.dashboards.web import Web, span

TITLE = "A new version is worse than the old one"


@pytest.fixture(scope="module")
def web() -> Web:
    """Twenty requests of an old version that take 10 ms, and eight of a new one that take 300."""
    start = ManualClock().now_unix_nano() - 60 * 10**9
    return Web(
        [
            span(1, trace_id=number, name="GET /rank", service_name="rank", kind=SpanKind.SERVER,
                 start_unix_nano=start + number * 10**8,
                 end_unix_nano=start + number * 10**8 + (10 if number <= 20 else 300) * 10**6,
                 resource=Resource(
                     {"service.name": "rank", "service.version": "1" if number <= 20 else "2"}))
            for number in range(1, 29)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/findings", "/alerts"])
def test_a_finding_of_a_window_has_its_title(web: Web, path: str) -> None:
    (where,) = re.findall(r'<article class="entry.*?(<p class="where">.*?)</p>',
                          web.get(f"{path}?since=1h").text, re.DOTALL)  # fmt: skip
    assert f" · {TITLE}</span>" in where


def test_findings_of_a_window_can_be_chosen_by_kind(web: Web) -> None:
    chosen = web.get("/findings?since=1h&detector=version_regression").text
    other = web.get("/findings?since=1h&detector=pause").text

    assert f'<option value="version_regression" selected>{TITLE}</option>' in chosen
    assert chosen.count('<article class="entry') == 1
    assert "The only finding is not of that severity, kind and service" in other
