"""The alerts of one rule from evaluation to evaluation: pending, firing, resolved.

    not there ──yielded──▶ pending ──yielded for `for`──▶ firing ──no longer yielded──▶ resolved
                              └──not yielded: forgotten      (kept firing for a while if the rule
                                                             says so; re-sent for 15 minutes)

Source: Prometheus' `rules/alerting.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from longpole.analyzer.alerting.board import ActiveAlert, AlertState
from longpole.analyzer.alerting.rules import Rule
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.series import Labels

RESOLVED_KEPT_MS = 15 * 60_000


@dataclass(frozen=True, slots=True)
class Yielded:
    """What the expression yields now for one label set."""

    annotations: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. Times are Unix milliseconds, 0 for never."""

    labels: Labels
    annotations: Labels
    value: float
    state: AlertState
    active_at_ms: int
    fired_at_ms: int = 0
    resolved_at_ms: int = 0
    keep_firing_since_ms: int = 0
    last_sent_ms: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it is pending or firing."""
        return self.state in (AlertState.PENDING, AlertState.FIRING)

    def needs_sending(self, at_ms: int, resend_ms: int) -> bool:
        """Whether a receiver should hear of it now: it fires or was resolved, and either that is
        news or the last message is some time ago."""
        if self.state is AlertState.PENDING:
            return False
        if self.resolved_at_ms > self.last_sent_ms:
            return True
        # A message of the future is one before the clock was set back.
        return self.last_sent_ms + resend_ms < at_ms or self.last_sent_ms > at_ms + resend_ms

    def shown(self) -> ActiveAlert:
        """As the board shows it."""
        return ActiveAlert(
            self.labels, self.annotations, self.state, self.value,
            self.active_at_ms, self.fired_at_ms, self.keep_firing_since_ms,
        )  # fmt: skip


Alerts = Mapping[Labels, Alert]


def advanced(
    before: Alerts, yielded: Mapping[Labels, Yielded], rule: Rule, at_ms: int, limit: int
) -> dict[Labels, Alert]:
    """The alerts after an evaluation at `at_ms`. Raises `EvaluationError` when more are active
    than `limit` (0 is none); then all state of the rule is to be cleared."""
    held = dict(before)
    for labels, now in yielded.items():
        known = held.get(labels)
        if known is not None and known.is_active:
            held[labels] = replace(known, value=now.value, annotations=now.annotations)
        else:
            held[labels] = Alert(labels, now.annotations, now.value, AlertState.PENDING, at_ms)
    after: dict[Labels, Alert] = {}
    for labels, alert in held.items():
        found = _moved(alert, labels in yielded, rule, at_ms)
        if found is not None:
            after[labels] = found
    active = sum(alert.is_active for alert in after.values())
    if 0 < limit < active:
        raise EvaluationError(f"exceeded limit of {limit} with {active} alerts")
    return after


def _moved(alert: Alert, is_yielded: bool, rule: Rule, at_ms: int) -> Alert | None:
    if is_yielded:
        alert = replace(alert, keep_firing_since_ms=0)
    else:
        since = alert.keep_firing_since_ms or at_ms
        is_kept = (
            alert.state is AlertState.FIRING
            and rule.keep_firing_for_ms > 0
            and at_ms - since < rule.keep_firing_for_ms
        )
        if alert.state is AlertState.PENDING:
            return None
        if alert.resolved_at_ms and at_ms - alert.resolved_at_ms > RESOLVED_KEPT_MS:
            return None
        if not is_kept:
            if alert.state is AlertState.INACTIVE:
                return alert
            return replace(alert, state=AlertState.INACTIVE, resolved_at_ms=at_ms)
        alert = replace(alert, keep_firing_since_ms=since)
    waited = at_ms - alert.active_at_ms
    if alert.state is AlertState.PENDING and waited >= rule.for_ms:
        return replace(alert, state=AlertState.FIRING, fired_at_ms=at_ms)
    if alert.state is AlertState.FIRING and waited < rule.for_ms and is_yielded:
        # The rule was changed to wait longer.
        return replace(alert, state=AlertState.PENDING, fired_at_ms=0)
    return alert
