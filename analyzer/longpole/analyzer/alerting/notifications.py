"""What receivers are told of alerts: which alerts, when again, and in which form.

Source of the semantics: `sendAlerts` of Prometheus' `cmd/prometheus` and `rules/alerting.go`; of
the forms: Alertmanager's API v2, and the body of its webhooks, version 4.
"""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote_plus

from longpole.analyzer.alerting.group_evaluation import GroupRun
from longpole.analyzer.alerting.looking_back import shortest_range_ms
from longpole.analyzer.promql.series import Labels, labels_of


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as a receiver hears of it. Times are Unix milliseconds. `is_news`: it began to
    fire or was resolved since the last time; else it is said again. What made it active began at
    most `range_ms` before that."""

    labels: Labels
    annotations: Labels
    value: float
    active_at_ms: int
    starts_ms: int
    ends_ms: int
    is_resolved: bool
    is_news: bool
    generator_url: str
    range_ms: int = 0

    @property
    def fingerprint(self) -> str:
        """The same for the same labels."""
        return hashlib.blake2b(repr(self.labels).encode(), digest_size=8).hexdigest()


def outgoing(
    run: GroupRun, at_ms: int, resend_ms: int, external_labels: Labels, external_url: str
) -> list[Notice]:
    """The alerts of a group that receivers should hear of after its evaluation at `at_ms`; they
    count as sent. A firing alert ends by itself when it is not said again in time."""
    found: list[Notice] = []
    ends_ms = at_ms + 4 * max(run.interval_ms, resend_ms)
    for rule in run.rules:
        range_ms = max(shortest_range_ms(rule.rule.expression), run.interval_ms)
        url = f"{external_url}/graph?g0.expr={quote_plus(rule.rule.query, safe='~')}&g0.tab=1"
        for labels, alert in rule.alerts.items():
            if not alert.needs_sending(at_ms, resend_ms):
                continue
            is_resolved = alert.resolved_at_ms > 0
            since = alert.resolved_at_ms if is_resolved else alert.fired_at_ms
            found.append(
                Notice(
                    labels_of({**dict(external_labels), **dict(labels)}),
                    alert.annotations,
                    alert.value,
                    alert.active_at_ms,
                    alert.fired_at_ms,
                    alert.resolved_at_ms or ends_ms,
                    is_resolved,
                    since > alert.last_sent_ms,
                    url,
                    range_ms,
                )
            )
            rule.alerts[labels] = replace(alert, last_sent_ms=at_ms)
    return found


def alertmanager_alerts(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """The body of `POST /api/v2/alerts`."""
    return [
        {
            "labels": dict(one.labels),
            "annotations": dict(one.annotations),
            "startsAt": rfc_3339(one.starts_ms),
            "endsAt": rfc_3339(one.ends_ms),
            "generatorURL": one.generator_url,
        }
        for one in notices
    ]


def webhook_body(
    notices: Sequence[Notice], evidence: Sequence[dict[str, Any] | None], external_url: str
) -> dict[str, Any]:
    """What a webhook gets: the body that Alertmanager sends to webhooks, and with each alert its
    `value`, since when it is active, and the evidence if there is any."""
    alerts = [
        {
            "status": "resolved" if one.is_resolved else "firing",
            "labels": dict(one.labels),
            "annotations": dict(one.annotations),
            "startsAt": rfc_3339(one.starts_ms),
            "endsAt": rfc_3339(one.ends_ms) if one.is_resolved else "0001-01-01T00:00:00Z",
            "generatorURL": one.generator_url,
            "fingerprint": one.fingerprint,
            # JSON knows neither infinity nor NaN.
            "value": one.value if math.isfinite(one.value) else None,
            "activeAt": rfc_3339(one.active_at_ms),
            "evidence": found,
        }
        for one, found in zip(notices, evidence, strict=True)
    ]
    return {
        "version": "4",
        "receiver": "longpole",
        "status": "resolved" if all(one.is_resolved for one in notices) else "firing",
        "groupKey": "{}",
        "truncatedAlerts": 0,
        "groupLabels": {},
        "commonLabels": _common([one.labels for one in notices]),
        "commonAnnotations": _common([one.annotations for one in notices]),
        "externalURL": external_url,
        "alerts": alerts,
    }


def _common(several: Sequence[Labels]) -> dict[str, str]:
    shared = set(several[0]) if several else set()
    for labels in several[1:]:
        shared &= set(labels)
    return dict(sorted(shared))


def rfc_3339(ms: int) -> str:
    """A time as Go's JSON has it."""
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
