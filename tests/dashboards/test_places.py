"""Map, findings, alerts, logs, status and settings: what they say; telemetry stays text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from longpole.dashboards.pages.findings_page import nested
from longpole.formats.rows import telemetry_of_logs
from longpole.model.log import LogRecord
from longpole.model.span import Resource, SpanKind
from tests.dashboards.web import HEX, START, TRACE_ID, Web, span

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e"
WEB: dict[str, Any] = {"service_name": "web"}
ORDER: dict[str, Any] = {"service_name": "order"}
CALLS = [
    span(1, kind=SpanKind.SERVER, **WEB),
    span(2, 1, kind=SpanKind.CLIENT, **WEB),
    span(3, 2, kind=SpanKind.SERVER, status_code=2, **ORDER),
    span(4, 3, kind=SpanKind.CLIENT, attributes={"db.system.name": "postgresql"}, **ORDER),
]
TIME = "from=2026-01-02T03:00:00Z&to=2026-01-02T04:00:00Z"


def record(number: int, body: str, severity: int = 9, **more: object) -> LogRecord:
    values = {
        "time_unix_nano": START + number, "observed_time_unix_nano": 1, "trace_id": TRACE_ID,
        "span_id": 3, "severity_number": severity, "severity_text": "", "service_name": "order",
        "resource": Resource({"service.name": "order", "host.name": "h1"}),
        "attributes": {"retries": 3},
    }  # fmt: skip
    return LogRecord(**{**values, **more}, body=body)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def web() -> Web:
    site = Web(CALLS)
    logs = [record(0, "charged <b>12</b>"), record(1, "pool exhausted", 17), record(2, HOSTILE)]
    site.store.submit(telemetry_of_logs(logs), site.clock.now_unix_nano()).result()
    return site


def test_the_map_is_a_picture_and_a_table_of_the_same(web: Web) -> None:
    html = web.get(f"/map?{TIME}").text

    assert html.count('class="node ') == 3
    assert len(re.findall(r'<tr id="call-\d">', html)) == 2
    assert f'href="/traces/{HEX}?span={2:016x}"' in html
    assert 'href="#call-0"' in html


def test_a_service_on_the_map_leads_to_its_page_and_keeps_the_time(web: Web) -> None:
    html = web.get(f"/map?{TIME}").text

    assert "/services/web?from=2026-01-02" in unquote(html.replace("&amp;", "&"))


def test_a_bad_query_of_the_map_is_told_on_the_page(web: Web) -> None:
    answer = web.get("/map?q={nonsense")

    assert answer.status_code == 200
    assert '<pre class="warn">' in answer.text


def test_a_map_without_traces_says_what_to_do() -> None:
    assert "point an OTLP exporter" in Web().get("/map").text


def test_findings_say_what_was_looked_for_when_there_are_none() -> None:
    html = Web([span(1, kind=SpanKind.SERVER)]).get(f"/findings?{TIME}").text

    assert "Nothing unusual" in html
    assert "N+1 queries" in html


def test_findings_come_with_reason_action_and_traces(web: Web) -> None:
    html = web.get(f"/findings?{TIME}&severity=info").text

    assert html.count('<article class="entry') >= 1
    assert f"/traces/{HEX}" in html
    assert "<b>Do</b>" in html


def test_findings_of_one_service_leave_out_the_others(web: Web) -> None:
    html = web.get(f"/findings?{TIME}&on=nobody&severity=info").text

    assert "Nothing was found on <bdi>nobody</bdi>" in html


def test_causes_hold_their_effects_however_long_the_chain() -> None:
    def one(name: str, cause: str | None) -> dict[str, str | None]:
        return {"fingerprint": name, "explained_by": cause}

    ring = [one("x", "y"), one("y", "x")]
    entries = nested([one("a", "b"), one("b", "c"), one("c", None), one("d", "gone"), *ring])

    assert [
        (entry["finding"]["fingerprint"], [e["fingerprint"] for e in entry["effects"]])
        for entry in entries
    ] == [("c", ["a", "b"]), ("d", []), ("x", ["y"])]


def test_what_changed_is_a_page_with_a_part_to_take(web: Web) -> None:
    alone = web.get(f"/findings/cause?{TIME}").text
    assert '<div id="part">' in alone
    assert 'aria-label="Time range"' in alone
    assert 'href="/findings?from=' in alone


def test_the_alerts_page_says_when_there_are_no_rules(web: Web) -> None:
    assert "There are no alert rules" in web.get("/alerts").text


def test_logs_come_newest_first_with_their_trace(web: Web) -> None:
    html = web.get(f"/logs?{TIME}").text

    assert html.index("pool exhausted") < html.index("charged")
    assert f'href="/traces/{HEX}?span={3:016x}"' in html
    assert "charged &lt;b&gt;12&lt;/b&gt;" in html


def test_the_histogram_of_logs_counts_by_level_and_leads_to_its_step(web: Web) -> None:
    html = web.get(f"/logs?{TIME}").text

    assert '<rect class="l-error"' in html
    assert re.search(r'href="/logs\?from=\d{19}&amp;to=\d{19}"', html)


def test_logs_of_a_trace_are_found_whenever_they_were(web: Web) -> None:
    assert "pool exhausted" in web.get(f"/logs?trace={HEX}").text
    assert "No record matches" in web.get("/logs").text  # of the last hour


def test_logs_below_a_severity_are_left_out(web: Web) -> None:
    html = web.get(f"/logs?{TIME}&severity=error").text

    assert "pool exhausted" in html
    assert "charged" not in html


def test_older_logs_are_one_link_away_and_none_is_lost() -> None:
    site = Web()
    many = [record(number // 3, f"b{number:03d}") for number in range(450)]
    site.store.submit(telemetry_of_logs(many), site.clock.now_unix_nano()).result()

    seen: set[str] = set()
    path, pages = f"/logs?{TIME}", 0
    while path:
        html = site.get(path).text
        seen |= set(re.findall(r"\bb\d{3}\b", html))
        older = re.search(r'href="([^"]+)" rel="next"', html)
        path, pages = older[1].replace("&amp;", "&") if older else "", pages + 1

    assert len(seen) == 450
    assert pages == 3


def test_patterns_lead_to_their_records(web: Web) -> None:
    html = web.get(f"/logs?{TIME}&tab=patterns").text

    assert "charged" in html
    assert "Nothing was logged right before" in html


@pytest.mark.parametrize("path", ["/map", "/findings", "/logs", "/alerts", "/logs?tab=patterns"])
def test_hostile_telemetry_stays_text(path: str) -> None:
    site = Web([replace(one, service_name=HOSTILE, name=HOSTILE) for one in CALLS])
    logs = [record(0, HOSTILE, service_name=HOSTILE, attributes={HOSTILE: HOSTILE})]
    site.store.submit(telemetry_of_logs(logs), site.clock.now_unix_nano()).result()

    html = site.get(f"{path}{'&' if '?' in path else '?'}{TIME}&severity=").text

    assert "<img" not in html
    # A form gives back what it got; its fields show text as it is.
    assert "\u202e" not in re.sub(r'value="[^"]*"', "", html)


def test_status_shows_figures_reasons_and_limits() -> None:
    html = Web(CALLS).get("/status").text

    assert "<dt>Spans</dt><dd>4</dd>" in html
    assert "127.0.0.1:4319" in html


def test_settings_become_cookies_and_defaults_need_none() -> None:
    site = Web()
    form = {"theme": "dark", "keys": "off", "zone": "utc"}

    answer = site.ask("POST", "/settings", data=form, headers={"Origin": "http://localhost"})

    cookies = answer.headers.get_list("set-cookie")
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?saved=1")
    assert any(one.startswith("longpole_theme=dark;") for one in cookies)
    assert any(one.startswith("longpole_keys=off;") for one in cookies)
    assert any(one.startswith('longpole_zone="";') for one in cookies)


def test_settings_of_another_site_are_refused() -> None:
    answer = Web().ask(
        "POST", "/settings", data={"theme": "dark"}, headers={"Origin": "http://evil.example"}
    )

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_unknown_values_of_settings_change_nothing() -> None:
    answer = Web().ask("POST", "/settings", data={"theme": "x; Path=/evil", "keys": "maybe"})

    assert "set-cookie" not in answer.headers


def test_chosen_settings_are_shown_and_honoured() -> None:
    html = Web().get("/settings", headers={"Cookie": "longpole_zone=local; longpole_keys=off"}).text

    assert 'data-zone="local"' in html
    assert 'data-keys="off"' in html
    assert 'value="local" checked' in html


def test_times_can_be_read_by_programs(web: Web) -> None:
    html = web.get(f"/logs?{TIME}").text

    assert '<time datetime="2026-01-02T03:04:05.123Z">2026-01-02 03:04:05.123</time>' in html
