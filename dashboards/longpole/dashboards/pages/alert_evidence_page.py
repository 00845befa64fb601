"""What goes with an alert of this server: what got slower, traces to look at, new log lines.

The page of alerts loads it below the first alerts and links to it from the others: it compares two
stretches of time, which takes longer than saying that an alert fires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from longpole.analyzer.reports.alert_evidence import alert_evidence
from longpole.dashboards.answers import Answers
from longpole.dashboards.pages.rendering import page
from longpole.dashboards.recent_answers import RecentAnswers
from longpole.model.problem import LongpoleError

LOADED_AT_ONCE = 3
_MS = 1_000_000


def routes(answers: Answers) -> APIRouter:
    """Routes of this page."""
    router = APIRouter()
    recent = RecentAnswers(answers)

    @router.get("/alerts/evidence")
    def evidence(request: Request) -> Response:
        wanted = request.query_params.get("alert", "")
        alert = next((one for one in answers.alerts()["alerts"] if alert_key(one) == wanted), None)
        if alert is None:
            return page(
                request, "alert_evidence.html", status=404, place="alerts", alert=None, found=None,
                made_unix_nano=0, traces_address="",
            )  # fmt: skip
        known = alert
        dated = recent.of(wanted, lambda: _evidence(answers, known))
        return page(
            request, "alert_evidence.html", place="alerts", alert=alert, found=dated.document,
            made_unix_nano=dated.made_unix_nano,
            traces_address=_traces_address(dated.document["service"], alert),
        )  # fmt: skip

    return router


def evidence_address(alert: Mapping[str, Any]) -> str:
    """Where the evidence for an alert of the alerts report is."""
    return f"/alerts/evidence?{urlencode({'alert': alert_key(alert)})}"


def alert_key(alert: Mapping[str, Any]) -> str:
    """16 hex digits that stand for an alert as long as it lasts: file, group, rule and labels."""
    told = [alert["file"], alert["group"], alert["name"], sorted(alert["labels"].items())]
    text = json.dumps(told, ensure_ascii=False)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _evidence(answers: Answers, alert: Mapping[str, Any]) -> dict[str, Any]:
    # PromQL takes a while to load, and a server without rules has no use for it here.
    from longpole.analyzer.alerting.looking_back import shortest_range_ms
    from longpole.analyzer.promql.query import parse

    try:
        range_ns = shortest_range_ms(parse(alert["query"])) * _MS
    except LongpoleError:  # written by a newer version; the shortest time will do
        range_ns = 0
    now = answers.clock.now_unix_nano()
    return alert_evidence(
        answers.store, alert["labels"], alert["active_at_unix_nano"], now, range_ns
    )


def _traces_address(service: str | None, alert: Mapping[str, Any]) -> str:
    """The traces of the service since the alert is active, the slowest first."""
    query = {"q": f"{{ resource.service.name = {json.dumps(service)} }}"} if service else {}
    times = {"from": str(alert["active_at_unix_nano"]), "to": "now", "sort": "slowest"}
    return f"/traces?{urlencode({**query, **times})}"
