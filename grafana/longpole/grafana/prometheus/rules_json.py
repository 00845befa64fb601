"""`rules` and `alerts`: what rules there are and what they found."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from longpole.analyzer.alerting.board import (
    ActiveAlert,
    AlertState,
    GroupState,
    RuleKind,
    RuleState,
)
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.selectors import meets_all
from longpole.grafana.prometheus import answer
from longpole.grafana.prometheus.answer import Answer
from longpole.grafana.prometheus.asked import Asked
from longpole.grafana.prometheus.asking import Asking
from longpole.grafana.prometheus.refusals import bad_parameter

_TYPES = {"": None, "alert": RuleKind.ALERTING, "record": RuleKind.RECORDING}
_ACTIVE = (AlertState.PENDING, AlertState.FIRING)


def rules(asking: Asking, asked: Asked) -> Answer:
    """Groups with their rules, filtered and by pages as Grafana's list of rules asks."""
    wanted = Wanted.of(asked)
    with_alerts = not _flag(asked, "exclude_alerts")
    groups = [
        (group, kept)
        for group in asking.board.groups()
        if (kept := wanted.rules_of(group)) is not None
    ]
    page, token = _page(groups, asked)
    found: dict[str, Any] = {"groups": [_group(group, kept, with_alerts) for group, kept in page]}
    if token:
        found["groupNextToken"] = token
    return answer.of(found)


def alerts(asking: Asking, asked: Asked) -> Answer:
    """Every pending or firing alert."""
    found = [
        _alert(alert)
        for group in asking.board.groups()
        for rule in group.rules
        for alert in _active(rule)
    ]
    return answer.of({"alerts": found})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which groups and rules are asked for; what is empty asks for all."""

    kind: RuleKind | None
    names: Sequence[str]
    groups: Sequence[str]
    files: Sequence[str]
    selectors: Sequence[tuple[Matcher, ...]]

    @staticmethod
    def of(asked: Asked) -> Wanted:
        """From the parameters of a request."""
        kind = asked.text("type").lower()
        if kind not in _TYPES:
            raise bad_parameter("type", f'not supported value "{kind[:80]}"')
        return Wanted(
            _TYPES[kind], asked.texts("rule_name[]"), asked.texts("rule_group[]"),
            asked.texts("file[]"), asked.selectors(),
        )  # fmt: skip

    def rules_of(self, group: GroupState) -> list[RuleState] | None:
        """The rules of a group that are asked for; None for a group that is left out."""
        for names, own in ((self.groups, group.name), (self.files, group.file)):
            if names and own not in names:
                return None
        kept = [rule for rule in group.rules if self._has(rule)]
        is_filtered = self.kind is not None or bool(self.names) or bool(self.selectors)
        return None if is_filtered and not kept else kept

    def _has(self, rule: RuleState) -> bool:
        labels = dict(rule.labels)
        return (
            (self.kind is None or rule.kind is self.kind)
            and (not self.names or rule.name in self.names)
            and (not self.selectors or any(meets_all(one, labels) for one in self.selectors))
        )


_Chosen = Sequence[tuple[GroupState, list[RuleState]]]


def _page(groups: _Chosen, asked: Asked) -> tuple[_Chosen, str]:
    """At most `group_limit` groups, and the token of the first one after them."""
    text, token = asked.text("group_limit"), asked.text("group_next_token")
    if token and not text:
        raise bad_parameter(
            "group_next_token",
            "group_limit needs to be present in order to paginate over the groups",
        )
    if text and not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
        raise bad_parameter(
            "group_limit",
            "group_limit needs to be a valid number: strconv.ParseInt: parsing"
            f' "{text[:80]}": invalid syntax',
        )
    limit = int(text or 0)
    if limit <= 0 and text:
        raise bad_parameter("group_limit", "group_limit needs to be greater than 0")
    begin = 0
    if token:
        places = [place for place, (group, _) in enumerate(groups) if _token(group) == token]
        if not places:
            raise bad_parameter(
                "group_next_token",
                f'invalid group_next_token "{token[:80]}". were rule groups changed?',
            )
        begin = places[0]
    end = begin + limit if limit else len(groups)
    return groups[begin:end], _token(groups[end][0]) if end < len(groups) else ""


def _token(group: GroupState) -> str:
    name = f"{group.file};{group.name}".encode()
    return hashlib.sha256(name).hexdigest()[:32]


def _flag(asked: Asked, name: str) -> bool:
    text = asked.text(name)
    if text.lower() not in ("", "0", "1", "t", "f", "true", "false"):
        raise bad_parameter(
            name,
            f'error converting {name}: strconv.ParseBool: parsing "{text[:80]}": invalid syntax',
        )
    return text.lower() in ("1", "t", "true")


def _group(group: GroupState, kept: Sequence[RuleState], with_alerts: bool) -> dict[str, Any]:
    return {
        "name": group.name,
        "file": group.file,
        "rules": [_rule(rule, with_alerts) for rule in kept],
        "interval": group.interval_seconds,
        "limit": group.limit,
        "evaluationTime": group.evaluation_seconds,
        "lastEvaluation": _time(group.last_evaluation_ms),
    }


def _rule(rule: RuleState, with_alerts: bool) -> dict[str, Any]:
    of_alerting: dict[str, Any] = {}
    if rule.kind is RuleKind.ALERTING:
        of_alerting = {
            "state": rule.state.value,
            "duration": rule.for_seconds,
            "keepFiringFor": rule.keep_firing_for_seconds,
            "annotations": dict(rule.annotations),
            "alerts": [_alert(alert) for alert in _active(rule)] if with_alerts else [],
        }
    return {
        "name": rule.name,
        "query": rule.query,
        "labels": dict(rule.labels),
        **of_alerting,
        "health": rule.health.value,
        **({"lastError": rule.last_error} if rule.last_error else {}),
        "evaluationTime": rule.evaluation_seconds,
        "lastEvaluation": _time(rule.last_evaluation_ms),
        "type": rule.kind.value,
    }


def _active(rule: RuleState) -> Iterator[ActiveAlert]:
    return (alert for alert in rule.alerts if alert.state in _ACTIVE)


def _alert(alert: ActiveAlert) -> dict[str, Any]:
    since = alert.keep_firing_since_ms
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": _time(alert.active_at_ms),
        **({"keepFiringSince": _time(since)} if since else {}),
        "value": _scientific(alert.value),
    }


def _scientific(value: float) -> str:
    """Go's `FormatFloat(v, 'e', -1, 64)`: the shortest digits, always with an exponent."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    digits = min((f"{value:.{count}e}" for count in range(17)), key=lambda t: float(t) != value)
    return digits


def _time(at_ms: int) -> str:
    """RFC 3339; of a time that never was, Go's zero time."""
    if at_ms == 0:
        return "0001-01-01T00:00:00Z"
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
