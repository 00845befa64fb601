"""Runs rule tests: the series arrive tick by tick, the rules are evaluated at each, and what
fires is compared with what is expected. The verdicts are promtool's."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from longpole.analyzer.alerting.board import AlertState
from longpole.analyzer.alerting.group_evaluation import (
    GroupRun,
    Point,
    Surround,
    asked,
    evaluate_group,
)
from longpole.analyzer.alerting.histogram_notation import noted
from longpole.analyzer.alerting.rule_test_files import AlertTest, QueryTest, RuleTest, RuleTestFile
from longpole.analyzer.alerting.rules import RuleGroup
from longpole.analyzer.alerting.tick_source import Sample, series_of
from longpole.analyzer.promql.evaluation import Settings
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.histograms import Hint, Histogram, are_equal, is_reset
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.selectors import NAME, meets_all
from longpole.analyzer.promql.series import Labels, Series
from longpole.model.problem import LongpoleError

Shown = tuple[Labels, Labels]


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that is not met. `subject` is an alert's name, an expression or a rule;
    `error` is there instead of `expected` and `got` when nothing could be compared."""

    test: str
    kind: str
    subject: str
    at_ms: int
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()
    error: str = ""


def _hinted(value: float | Histogram, before: Sequence[float | Histogram]) -> float | Histogram:
    """A histogram with what Prometheus' storage says of its counters: nothing of the first one, and
    of one that begins anew."""
    if not isinstance(value, Histogram) or value.hint in (Hint.GAUGE,):
        return value
    last = before[-1] if before else None
    if not isinstance(last, Histogram):
        return replace(value, hint=Hint.UNKNOWN)
    fresh = replace(value, hint=Hint.UNKNOWN)
    return fresh if is_reset(fresh, last) else replace(value, hint=Hint.NOT_RESET)


class GrowingSeries:
    """Series in memory that samples are added to."""

    def __init__(self) -> None:
        self._held: dict[str, dict[Labels, tuple[list[int], list[float | Histogram]]]] = {}

    def add(self, samples: Iterable[Sample]) -> None:
        """Add samples; of two for one time the first stays."""
        for sample in samples:
            name = next((value for label, value in sample.labels if label == NAME), "")
            times, values = self._held.setdefault(name, {}).setdefault(sample.labels, ([], []))
            if not times or times[-1] < sample.time_ms:
                times.append(sample.time_ms)
                values.append(_hinted(sample.value, values))

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        """As `SeriesSource` promises."""
        names = [one.value for one in matchers if one.label == NAME and one.op is MatchOp.EQUAL]
        groups = [self._held.get(names[0], {})] if names else list(self._held.values())
        found = []
        for group in groups:
            for labels, (times, values) in group.items():
                start, end = bisect_right(times, after_ms), bisect_right(times, through_ms)
                if start < end and meets_all(matchers, dict(labels)):
                    found.append(series_of(labels, times[start:end], values[start:end]))
        return sorted(found, key=lambda one: one.labels)


def run_tests(
    file: RuleTestFile,
    groups: Sequence[RuleGroup],
    is_chosen: Callable[[str], bool],
    seconds: Callable[[], float],
) -> list[Failure]:
    """Every test of the file whose name is chosen, over the rule groups of its rule files."""
    found: list[Failure] = []
    for test in file.tests:
        if is_chosen(test.name):
            found += _Run(file, test, ordered(groups, file.group_order), seconds).failures()
    return found


def ordered(groups: Sequence[RuleGroup], order: Sequence[str]) -> list[RuleGroup]:
    """The groups that the order names first, as it has them."""
    place = {name: at for at, name in enumerate(order)}
    return sorted(groups, key=lambda group: place.get(group.name, len(place)))


class _Run:
    """One test while it runs."""

    def __init__(
        self,
        file: RuleTestFile,
        test: RuleTest,
        groups: Sequence[RuleGroup],
        seconds: Callable[[], float],
    ) -> None:
        self._test, self._step_ms = test, file.interval_ms
        self._is_fuzzy = file.is_fuzzy
        self._series = GrowingSeries()
        self._around = Surround(
            self._series,
            Settings(subquery_step_ms=file.interval_ms),
            seconds,
            test.external_labels,
            test.external_url,
            records_histograms=True,
        )
        self._runs = [GroupRun.of(group, test.interval_ms) for group in groups]

    def failures(self) -> list[Failure]:
        test, found = self._test, list[Failure]()
        waiting = sorted(test.alerts, key=lambda one: one.at_ms)
        fed = -1
        for tick in range(0, test.last_ms + 1, self._step_ms):
            self._feed(fed, tick)
            fed = tick
            errors = self._evaluate(tick)
            if errors:
                return found + errors
            while waiting and waiting[0].at_ms < tick + self._step_ms:
                found += self._checked(waiting.pop(0))
        return found + [failure for one in test.queries for failure in self._asked(one)]

    def _feed(self, after_ms: int, through_ms: int) -> None:
        test = self._test
        first, last = after_ms // test.interval_ms + 1, through_ms // test.interval_ms
        for labels, values in test.series:
            self._series.add(
                Sample(labels, test.start_ms + place * test.interval_ms, value)
                for place in range(first, min(last + 1, len(values)))
                if (value := values[place]) is not None
            )

    def _evaluate(self, tick_ms: int) -> list[Failure]:
        errors = []
        for run in self._runs:
            self._series.add(evaluate_group(run, self._test.start_ms + tick_ms, self._around))
            errors += [
                Failure(self._test.name, "rule", rule.rule.name, tick_ms, error=rule.error)
                for rule in run.rules
                if rule.error
            ]
        return errors

    def _checked(self, expected: AlertTest) -> list[Failure]:
        got = [
            (alert.labels, alert.annotations)
            for run in self._runs
            for rule in run.rules
            if rule.rule.name == expected.alertname
            for alert in rule.alerts.values()
            if alert.state is AlertState.FIRING
        ]
        wanted = [(one.labels, one.annotations) for one in expected.expected]
        if sorted(got) == sorted(wanted):
            return []
        return [
            Failure(
                self._test.name,
                "alert",
                expected.alertname,
                expected.at_ms,
                tuple(map(_alert_text, sorted(wanted))),
                tuple(map(_alert_text, sorted(got))),
            )
        ]

    def _asked(self, test: QueryTest) -> list[Failure]:
        failure = Failure(self._test.name, "expression", test.query, test.at_ms)
        try:
            found = asked(
                parse(test.query), self._series, self._test.start_ms + test.at_ms, self._around
            )
        except LongpoleError as error:
            return [replace(failure, error=str(error))]
        got, wanted = sorted(found, key=_labels), sorted(test.expected, key=_labels)
        if len(got) == len(wanted) and all(
            one[0] == other[0] and self._is_same(one[1], other[1])
            for one, other in zip(got, wanted, strict=True)
        ):
            return []
        return [
            replace(
                failure,
                expected=tuple(map(_point_text, wanted)),
                got=tuple(map(_point_text, got)),
            )
        ]

    def _is_same(self, one: float | Histogram, other: float | Histogram) -> bool:
        if isinstance(one, Histogram) or isinstance(other, Histogram):
            # As promtool compares what it prints, with what is known of the counters.
            return (
                isinstance(one, Histogram)
                and isinstance(other, Histogram)
                and one.hint is other.hint
                and are_equal(one, other)
            )
        if one == other:
            return True
        return self._is_fuzzy and other in (
            math.nextafter(one, -math.inf),
            math.nextafter(one, math.inf),
        )


def _labels(point: Point) -> Labels:
    return point[0]


def labels_text(labels: Mapping[str, str] | Labels) -> str:
    """`{a="b", c="d"}`."""
    import json

    pairs = labels.items() if isinstance(labels, Mapping) else labels
    inner = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in pairs)
    return f"{{{inner}}}"


def _alert_text(alert: Shown) -> str:
    return f"labels {labels_text(alert[0])} annotations {labels_text(alert[1])}"


def _point_text(point: Point) -> str:
    return f"{labels_text(point[0])} {value_text(point[1])}"


def value_text(value: float | Histogram) -> str:
    """A value as a rule test gives it."""
    from longpole.analyzer.promql.numbers import written

    return noted(value) if isinstance(value, Histogram) else written(value)
