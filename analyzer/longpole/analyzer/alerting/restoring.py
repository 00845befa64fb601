"""When alerts began before a restart: `for` goes on where it was.

Source: `RestoreForState` of Prometheus' `rules/group.go`. An evaluation runs first, so that it is
known which alerts there are; then their last `ALERTS_FOR_STATE` says since when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from longpole.analyzer.alerting.active_alerts import Alert
from longpole.analyzer.alerting.board import RuleKind
from longpole.analyzer.alerting.group_evaluation import ALERTS_FOR_STATE, GroupRun, RuleRun
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Labels, SeriesSource, is_stale, without_name

MOST_SAMPLES = 5_000_000


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """`tolerance_ms`: a longer outage makes alerts begin anew. `grace_ms`: a rule that waits less
    is not restored, and a restored alert waits at least so long before it fires."""

    tolerance_ms: int = 3_600_000
    grace_ms: int = 600_000


def restore(run: GroupRun, source: SeriesSource, at_ms: int, settings: RestoreSettings) -> None:
    """Give the alerts of a group the time that they began; what is written may be from then on."""
    for rule in run.rules:
        if rule.is_restored:
            continue
        if rule.rule.kind is RuleKind.ALERTING and rule.rule.for_ms >= settings.grace_ms:
            _restore_rule(rule, source, at_ms, settings)
        rule.is_restored = True


def _restore_rule(
    run: RuleRun, source: SeriesSource, at_ms: int, settings: RestoreSettings
) -> None:
    if not run.alerts:
        return
    matchers = (
        Matcher(NAME, MatchOp.EQUAL, ALERTS_FOR_STATE),
        Matcher("alertname", MatchOp.EQUAL, run.rule.name),
    )
    found = source.select(matchers, at_ms - settings.tolerance_ms, at_ms, MOST_SAMPLES)
    last: dict[Labels, tuple[int, float]] = {}
    for series in found:
        if not is_stale(series.values[-1:])[0]:
            last[without_name(series.labels)] = (int(series.times_ms[-1]), float(series.values[-1]))
    for labels, alert in run.alerts.items():
        if labels in last and alert.is_active:
            down_ms, began = last[labels]
            run.alerts[labels] = _since(alert, run, down_ms, int(began) * 1000, at_ms, settings)


def _since(
    alert: Alert, run: RuleRun, down_ms: int, began_ms: int, at_ms: int, settings: RestoreSettings
) -> Alert:
    down_ms = down_ms // 1000 * 1000
    remaining = run.rule.for_ms - (down_ms - began_ms)
    if remaining > 0:
        if remaining < settings.grace_ms:
            began_ms = at_ms + settings.grace_ms - run.rule.for_ms
        else:
            # Nobody looked while it was down, so that time does not count.
            began_ms += at_ms - down_ms
    return replace(alert, active_at_ms=began_ms)
