"""The alerts page and question over a board that stands still."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema

from longpole.analyzer.alerting.board import (
    ActiveAlert,
    AlertState,
    FixedBoard,
    GroupState,
    Health,
    RuleKind,
    RuleState,
)
from longpole.dashboards.pages.alert_evidence_page import evidence_address
from tests.dashboards.web import START, Web, span

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schemas/alerts.json").read_text(encoding="utf-8")
)
EVIL = "<script>alert(1)</script>"
ALERT = ActiveAlert(
    (("alertname", "Down"), ("job", EVIL)),
    (("runbook", "javascript:alert(1)"), ("summary", EVIL)), AlertState.FIRING, 3.5, 1_000, 2_000,
)  # fmt: skip
RULE = RuleState(
    RuleKind.ALERTING, "Down", f'up{{job="{EVIL}"}} == 0', (), (), 60.0, 0.0, AlertState.FIRING,
    (ALERT,), Health.OK, "", 0.001, 5_000,
)  # fmt: skip
BAD = RuleState(
    RuleKind.RECORDING, "r", "up", (), (), 0.0, 0.0, AlertState.INACTIVE, (), Health.ERR,
    f"no {EVIL}", 0.001, 5_000,
)  # fmt: skip
WEB = Web(board=FixedBoard((GroupState("g", "rules.yml", 60.0, 0, (RULE, BAD), 0.1, 5_000),)))


def test_the_question_has_alerts_and_failing_rules() -> None:
    document = WEB.get("/api/v1/alerts").json()
    (alert,) = document["alerts"]
    jsonschema.validate(alert, SCHEMA)
    assert alert["labels"]["job"] == EVIL
    assert (document["firing"], document["pending"]) == (1, 0)
    assert [one["name"] for one in document["failing_rules"]] == ["r"]


def test_the_page_shows_them_as_text() -> None:
    html = WEB.get("/alerts").text
    assert "1 firing" in html
    assert EVIL not in html
    assert "&lt;script&gt;" in html
    assert html.count("&lt;script&gt;") >= 4


def test_links_in_messages_lead_to_the_page() -> None:
    answer = WEB.get("/graph?g0.tab=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")


def test_links_in_messages_say_which_expression_they_mean() -> None:
    expression = f"sum(up) > 1 and {EVIL}"
    answer = WEB.get("/graph", params={"g0.expr": expression, "g0.tab": "1"})
    assert answer.status_code == 303
    html = WEB.get(answer.headers["location"]).text
    assert "The expression of this link" in html
    assert "no rule of this server has it" in html
    assert "sum(up) &gt; 1 and " in html
    assert EVIL not in html
    known = WEB.get("/alerts", params={"g0.expr": RULE.query}).text
    assert "which is that of the rule <strong>" in known
    assert "/prometheus/api/v1/query?query=" in known


def test_evidence_shows_hostile_labels_as_text_and_leads_nowhere_they_say() -> None:
    (alert,) = WEB.get("/api/v1/alerts").json()["alerts"]
    answer = WEB.get(evidence_address(alert))
    html = WEB.get("/alerts").text
    assert answer.status_code == 200
    assert "What goes with" in answer.text
    assert evidence_address(alert) in html
    assert 'href="javascript:' not in html
    assert EVIL not in answer.text + html


def test_on_a_young_server_evidence_says_what_the_path_consists_of_now() -> None:
    labels, active_ms = (("alertname", "Slow"), ("job", "svc")), START // 10**6 + 1_000
    alert = replace(ALERT, labels=labels, active_at_ms=active_ms)
    board = FixedBoard((GroupState("g", "rules.yml", 60.0, 0,
                                   (replace(RULE, alerts=(alert,)),), 0.1, 5_000),))  # fmt: skip
    web = Web([span(1, name=EVIL)], board=board)
    (told,) = web.get("/api/v1/alerts").json()["alerts"]
    html = web.get(evidence_address(told)).text
    assert "No time before to compare with" in html
    assert "<b>Consists of</b> <strong>1 ms</strong> a trace, 100" in html.replace("\xa0", " ")
    assert "<b>Changed</b>" not in html
    assert EVIL not in html


def test_the_evidence_of_an_alert_that_has_ended_is_404() -> None:
    answer = WEB.get("/alerts/evidence?alert=0123456789abcdef")
    assert answer.status_code == 404
    assert "No alert of this address is pending or firing" in answer.text
