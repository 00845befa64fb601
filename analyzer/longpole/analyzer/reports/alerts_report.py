"""The report of alert rules: what fires, what waits, and which rules fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from longpole.analyzer.alerting.board import (
    ActiveAlert,
    AlertState,
    GroupState,
    Health,
    RuleKind,
    RuleState,
)


def alerts_report(groups: Sequence[GroupState]) -> dict[str, Any]:
    """Active alerts, firing ones first, each with its rule; counts; rules that fail.

    `value` is null where it is no finite number.
    """
    found = [
        _alert(alert, rule, group)
        for group in groups
        for rule in group.rules
        for alert in rule.alerts
    ]
    found.sort(key=lambda one: (one["state"] != "firing", one["name"], one["active_at_unix_nano"]))
    rules = [rule for group in groups for rule in group.rules]
    return {
        "alerts": found,
        "firing": sum(one["state"] == AlertState.FIRING for one in found),
        "pending": sum(one["state"] == AlertState.PENDING for one in found),
        "groups": len(groups),
        "alerting_rules": sum(rule.kind is RuleKind.ALERTING for rule in rules),
        "recording_rules": sum(rule.kind is RuleKind.RECORDING for rule in rules),
        "failing_rules": [
            {"name": rule.name, "group": group.name, "file": group.file, "error": rule.last_error}
            for group in groups
            for rule in group.rules
            if rule.health is Health.ERR
        ],
    }


def _alert(alert: ActiveAlert, rule: RuleState, group: GroupState) -> dict[str, Any]:
    return {
        "name": rule.name,
        "state": str(alert.state),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "value": alert.value if math.isfinite(alert.value) else None,
        "active_at_unix_nano": alert.active_at_ms * 1_000_000,
        "fired_at_unix_nano": alert.fired_at_ms * 1_000_000 or None,
        "for_seconds": rule.for_seconds,
        "query": rule.query,
        "group": group.name,
        "file": group.file,
    }
