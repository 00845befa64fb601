"""Evaluates a group of rules at one time, in order, all rules with the same time.

Source of the semantics: Prometheus' `rules/group.go`, `alerting.go` and `recording.go`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from longpole.analyzer.alerting import template_running
from longpole.analyzer.alerting.active_alerts import Alert, Yielded, advanced
from longpole.analyzer.alerting.board import (
    AlertState,
    GroupState,
    Health,
    RuleKind,
    RuleState,
)
from longpole.analyzer.alerting.go_values import AlertData
from longpole.analyzer.alerting.go_values import Sample as TemplateSample
from longpole.analyzer.alerting.rules import Pairs, Rule, RuleGroup
from longpole.analyzer.alerting.shared_reads import SharedReads, Wanted, wanted_of
from longpole.analyzer.alerting.template_functions import Surroundings
from longpole.analyzer.alerting.template_nodes import TemplateError
from longpole.analyzer.alerting.tick_source import Sample, TickSource
from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.expressions import Expression
from longpole.analyzer.promql.histogram_values import text
from longpole.analyzer.promql.histograms import Histogram
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.refusals import EvaluationError
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import STALE_BITS, Labels, SeriesSource, labels_of
from longpole.analyzer.promql.vectors import Vector
from longpole.model.problem import LongpoleError

ALERTS, ALERTS_FOR_STATE = "ALERTS", "ALERTS_FOR_STATE"
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]

# What all templates of one rule may take at one evaluation. An alert whose annotation comes after
# that has this as its text: it is better told late of than not at all.
TEMPLATE_SECONDS = 10.0
Point = tuple[Labels, float | Histogram]


class Stopped(Exception):
    """Nobody waits for the rest of an evaluation."""


@dataclass(frozen=True, slots=True)
class Surround:
    """What every evaluation is told: the series, the settings of queries, and what templates
    know. `seconds` reads a clock that only grows. Where recorded series are stored, there are
    numbers only; `records_histograms` is for series in memory. `go_on` is asked every so often and
    raises `Stopped` to end an evaluation early."""

    source: SeriesSource
    settings: Settings
    seconds: Callable[[], float]
    external_labels: Labels = ()
    external_url: str = ""
    query_offset_ms: int = 0
    records_histograms: bool = False
    go_on: Callable[[], None] = lambda: None


@dataclass(slots=True)
class RuleRun:
    """One rule between evaluations. `series` are those that the last evaluation returned, and
    `recorded` their values if it records."""

    rule: Rule
    alerts: dict[Labels, Alert] = field(default_factory=dict)
    series: frozenset[Labels] = frozenset()
    recorded: dict[Labels, float | Histogram] = field(default_factory=dict)
    health: Health = Health.UNKNOWN
    error: str = ""
    seconds: float = 0.0
    at_ms: int = 0
    # Nothing is written of an alert before it is known when it began.
    is_restored: bool = True

    @property
    def state(self) -> AlertState:
        """The worst state of its alerts."""
        if self.rule.kind is RuleKind.RECORDING:
            return AlertState.INACTIVE
        if not self.at_ms:
            return AlertState.UNKNOWN
        states = {alert.state for alert in self.alerts.values()}
        for state in (AlertState.FIRING, AlertState.PENDING):
            if state in states:
                return state
        return AlertState.INACTIVE

    def shown(self) -> RuleState:
        """As the board shows it."""
        rule = self.rule
        return RuleState(
            rule.kind, rule.name, rule.query, labels_of(dict(rule.labels)), rule.annotations,
            rule.for_ms / 1000, rule.keep_firing_for_ms / 1000, self.state,
            tuple(a.shown() for _, a in sorted(self.alerts.items()) if a.is_active),
            self.health, self.error, self.seconds, self.at_ms,
        )  # fmt: skip


@dataclass(slots=True)
class GroupRun:
    """A group between evaluations; `stale` are series of rules that are gone, to be ended."""

    group: RuleGroup
    interval_ms: int
    rules: list[RuleRun]
    stale: frozenset[Labels] = frozenset()
    seconds: float = 0.0
    at_ms: int = 0

    @staticmethod
    def of(group: RuleGroup, interval_ms: int, is_restored: bool = True) -> GroupRun:
        """A group that was never evaluated; `interval_ms` holds if it says none itself."""
        rules = [RuleRun(rule, is_restored=is_restored) for rule in group.rules]
        return GroupRun(group, group.interval_ms or interval_ms, rules)

    def shown(self) -> GroupState:
        """As the board shows it."""
        return GroupState(
            self.group.name, self.group.file, self.interval_ms / 1000, self.group.limit,
            tuple(run.shown() for run in self.rules), self.seconds, self.at_ms,
        )  # fmt: skip


def asked_at(run: GroupRun, at_ms: int, around: Surround) -> int:
    """The time that the expressions of a group are evaluated at."""
    offset = run.group.query_offset_ms
    return at_ms - (around.query_offset_ms if offset is None else offset)


def wanted_by(run: GroupRun, at_ms: int, around: Surround) -> dict[str, Wanted]:
    """What an evaluation of a group asks of each metric."""
    expressions = (one.rule.expression for one in run.rules)
    return wanted_of(expressions, asked_at(run, at_ms, around), around.settings.lookback_ms)


def evaluate_group(
    run: GroupRun, at_ms: int, around: Surround, shared: SharedReads | None = None
) -> list[Sample]:
    """Evaluate every rule at `at_ms` and move its alerts on; the samples to be written. A rule
    that fails keeps its state and writes nothing, and so do those that come after an evaluation
    was stopped. `shared` holds what several groups read."""
    began = around.seconds()
    asked_ms = asked_at(run, at_ms, around)
    if shared is None:
        shared = SharedReads(around.source, wanted_by(run, at_ms, around))
    source = TickSource(around.source, shared)
    written: list[Sample] = []
    for rule in run.rules:
        rule_began = around.seconds()
        try:
            around.go_on()
            found = _evaluated(rule, run.group, source, at_ms, asked_ms, around)
            samples = [Sample(labels, asked_ms, value) for labels, value in found]
            series = frozenset(labels for labels, _ in found)
            samples += [Sample(one, asked_ms, STALE) for one in sorted(rule.series - series)]
            rule.series = series
            source.record(samples)
            written += samples
            rule.health, rule.error = Health.OK, ""
        except Stopped:
            break
        except (LongpoleError, ValueError, OverflowError) as error:
            rule.health, rule.error = Health.ERR, str(error)
        rule.seconds, rule.at_ms = around.seconds() - rule_began, at_ms
    written += [Sample(labels, asked_ms, STALE) for labels in sorted(run.stale)]
    run.stale = frozenset()
    run.seconds, run.at_ms = around.seconds() - began, at_ms
    return written


def _evaluated(
    run: RuleRun, group: RuleGroup, source: TickSource, at_ms: int, asked_ms: int, around: Surround
) -> list[Point]:
    rule = run.rule
    points = asked(rule.expression, source, asked_ms, around)
    if rule.kind is RuleKind.RECORDING:
        run.recorded = _recorded(rule, group.limit, points)
        if not around.records_histograms and any(
            isinstance(one, Histogram) for one in run.recorded.values()
        ):
            raise EvaluationError(
                "the rule yields native histograms, which are not recorded. Record what"
                " histogram_quantile, histogram_count or histogram_sum say of them"
            )
        return list(run.recorded.items())
    yielded = _yielded(rule, points, source, asked_ms, around)
    try:
        run.alerts = advanced(run.alerts, yielded, rule, at_ms, group.limit)
    except EvaluationError:
        run.alerts = {}
        raise
    return alert_series(run) if run.is_restored else []


def asked(
    expression: Expression, source: SeriesSource, at_ms: int, around: Surround
) -> list[Point]:
    """The series and values of an expression at one time; a scalar has no labels. What a
    `TickSource` knows already is not calculated again."""
    began = around.seconds()

    def elapsed() -> float:
        around.go_on()
        return around.seconds() - began

    known = source if isinstance(source, TickSource) else None
    found = evaluate(expression, source, Steps(at_ms, at_ms), around.settings, elapsed, known=known)
    if isinstance(found, Vector):
        values = found.values[:, 0].tolist() if len(found.labels) else []
        if found.histograms is not None:
            cells = found.histograms[:, 0].tolist()
            values = [
                value if held is None else held for value, held in zip(values, cells, strict=True)
            ]
        return list(zip(found.labels, values, strict=True))
    if isinstance(found, np.ndarray):
        return [((), float(found[0]))]
    raise EvaluationError("rule result is not a vector or scalar")


def _recorded(rule: Rule, limit: int, points: Sequence[Point]) -> dict[Labels, float | Histogram]:
    found: dict[Labels, float | Histogram] = {}
    for labels, value in points:
        after = _relabelled(labels, {NAME: rule.name, **dict(rule.labels)})
        if after in found:
            raise EvaluationError(
                "vector contains metrics with the same labelset after applying rule labels"
            )
        found[after] = value
    if 0 < limit < len(found):
        raise EvaluationError(f"exceeded limit of {limit} with {len(found)} series")
    return found


def _yielded(
    rule: Rule, points: Sequence[Point], source: SeriesSource, asked_ms: int, around: Surround
) -> dict[Labels, Yielded]:
    began = around.seconds()

    def check_time() -> None:
        around.go_on()
        if around.seconds() - began > TEMPLATE_SECONDS:
            raise TemplateError(f"the templates of this rule take over {TEMPLATE_SECONDS:g} s")

    def query(text: str) -> list[TemplateSample]:
        try:
            found = asked(parse(text), source, asked_ms, around)
        except LongpoleError as error:
            raise TemplateError(str(error)) from None
        return [TemplateSample(dict(labels), _number(value)) for labels, value in found]

    functions = Surroundings(query, asked_ms, around.external_url, check_time)
    # Labels say which alert it is, so they come before annotations may take the time.
    found: dict[Labels, tuple[AlertData, float]] = {}

    def said(pairs: Pairs, data: AlertData) -> dict[str, str]:
        return {
            name: template_running.expanded_or_said(rule.name, text, data, functions)
            for name, text in pairs
        }

    for labels, held in points:
        value, said_value = _number(held), text(held) if isinstance(held, Histogram) else held
        data = AlertData(
            dict(labels), dict(around.external_labels), around.external_url, said_value
        )
        after = _relabelled(labels, {NAME: "", **said(rule.labels, data), "alertname": rule.name})
        if after in found:
            raise EvaluationError(
                "vector contains metrics with the same labelset after applying alert labels"
            )
        found[after] = (data, value)
    return {
        labels: Yielded(tuple(sorted(said(rule.annotations, data).items())), value)
        for labels, (data, value) in found.items()
    }


def _number(value: float | Histogram) -> float:
    """The value of an alert, or of a query in a template; for a histogram it is 0, as in
    Prometheus."""
    return 0.0 if isinstance(value, Histogram) else value


def alert_series(run: RuleRun) -> list[Point]:
    """`ALERTS` and `ALERTS_FOR_STATE` of the alerts that are active."""
    found: list[Point] = []
    for alert in run.alerts.values():
        if alert.is_active:
            state = {NAME: ALERTS, "alertstate": str(alert.state)}
            found.append((_relabelled(alert.labels, state), 1.0))
            since = _relabelled(alert.labels, {NAME: ALERTS_FOR_STATE})
            found.append((since, float(alert.active_at_ms // 1000)))
    return found


def _relabelled(labels: Labels, changes: Mapping[str, str]) -> Labels:
    return labels_of({**dict(labels), **changes})
