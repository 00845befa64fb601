"""Reads rule tests in promtool's format: series given, alerts and samples expected.

Source of the format: Prometheus' `cmd/promtool/unittest.go` and its page on unit testing rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from longpole.analyzer.alerting.rules import RuleProblem
from longpole.analyzer.alerting.series_notation import (
    NotationError,
    Noted,
    histogram_in,
    metric_of,
    values_of,
)
from longpole.analyzer.alerting.strict_fields import Reading, at
from longpole.analyzer.alerting.yaml_nodes import Node, YamlError, first_document
from longpole.analyzer.promql.histograms import Histogram
from longpole.analyzer.promql.series import Labels, labels_of
from longpole.analyzer.promql.tokens import number_of

_FILE = ("rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare")
_TEST = ("interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels",
         "external_url", "name", "start_timestamp")  # fmt: skip
MINUTE_MS = 60_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """A firing alert: its labels without `alertname`, and its annotations."""

    labels: Labels
    annotations: Labels


@dataclass(frozen=True, slots=True)
class AlertTest:
    """What fires of one alert at a time."""

    at_ms: int
    alertname: str
    expected: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True)
class QueryTest:
    """What an expression yields at a time."""

    at_ms: int
    query: str
    expected: tuple[tuple[Labels, float | Histogram], ...]


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test: series, and what follows. `start_ms` is when its time 0 is."""

    name: str
    interval_ms: int
    series: tuple[tuple[Labels, tuple[Noted, ...]], ...]
    alerts: tuple[AlertTest, ...]
    queries: tuple[QueryTest, ...]
    external_labels: Labels
    external_url: str
    start_ms: int = 0

    @property
    def last_ms(self) -> int:
        """The latest time that is asked for."""
        times = [one.at_ms for one in self.alerts] + [one.at_ms for one in self.queries]
        return max(times, default=0)


@dataclass(frozen=True, slots=True)
class RuleTestFile:
    """A whole file; to be used only without `problems`."""

    rule_files: tuple[str, ...]
    interval_ms: int
    group_order: tuple[str, ...]
    is_fuzzy: bool
    tests: tuple[RuleTest, ...]
    problems: tuple[RuleProblem, ...]


def read_tests(text: str, file: str) -> RuleTestFile:
    """The tests of one file. Never raises for its content."""
    reading = Reading()
    try:
        root = first_document(text)
    except YamlError as error:
        problem = RuleProblem(file, error.line, 1, f"yaml: {error}")
        return RuleTestFile((), MINUTE_MS, (), False, (), (problem,))
    top = reading.fields(root, "a test file", _FILE)
    interval = reading.duration(top.get("evaluation_interval")) or MINUTE_MS
    order = [reading.text(one) for one in reading.items(top.get("group_eval_order"), "names")]
    for place, name in enumerate(order):
        if name in order[:place]:
            reading.error(
                at(top, "group_eval_order"), f"group name repeated in evaluation order: {name}"
            )
    rule_files = [reading.text(one) for one in reading.items(top.get("rule_files"), "paths")]
    tests = [_test(reading, one, interval) for one in reading.items(top.get("tests"), "tests")]
    return RuleTestFile(
        tuple(rule_files),
        interval,
        tuple(order),
        reading.truth(top.get("fuzzy_compare")),
        tuple(tests),
        tuple(RuleProblem(file, place.line, place.column, said) for place, said in reading.errors),
    )


def _test(reading: Reading, node: Node, interval_ms: int) -> RuleTest:
    fields = reading.fields(node, "a test", _TEST)
    return RuleTest(
        reading.text(fields.get("name")),
        reading.duration(fields.get("interval")) or interval_ms,
        tuple(_series(reading, one) for one in reading.items(fields.get("input_series"), "series")),
        tuple(
            _alert_test(reading, one)
            for one in reading.items(fields.get("alert_rule_test"), "alert tests")
        ),
        tuple(
            _query_test(reading, one)
            for one in reading.items(fields.get("promql_expr_test"), "expression tests")
        ),
        labels_of(reading.texts(fields.get("external_labels"), "labels")),
        reading.text(fields.get("external_url")),
        reading.parsed(fields.get("start_timestamp"), "a time", _time_of, 0),
    )


def _time_of(text: str) -> int:
    """Unix milliseconds of Unix seconds, or of RFC 3339."""
    import datetime

    try:
        return round(float(text) * 1000)
    except ValueError:
        moment = datetime.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone") from None
        return round(moment.timestamp() * 1000)


def _series(reading: Reading, node: Node) -> tuple[Labels, tuple[Noted, ...]]:
    fields = reading.fields(node, "a series", ("series", "values"))
    none: Labels = ()
    labels = _noted(reading, fields, "series", metric_of, none)
    return labels, tuple(_noted(reading, fields, "values", values_of, []))


def _noted(
    reading: Reading, fields: Mapping[str, Node], name: str, parse: Callable[[str], T], default: T
) -> T:
    text = reading.text(fields.get(name))
    try:
        return parse(text)
    except NotationError as error:
        reading.error(at(fields, name), f"{name}: {error}")
        return default


def _alert_test(reading: Reading, node: Node) -> AlertTest:
    fields = reading.fields(node, "an alert test", ("eval_time", "alertname", "exp_alerts"))
    name = reading.text(fields.get("alertname"))
    if not name:
        reading.error(
            node.place, "an item under alert_rule_test misses required attribute alertname"
        )
    expected = []
    for one in reading.items(fields.get("exp_alerts"), "alerts"):
        inner = reading.fields(one, "an alert", ("exp_labels", "exp_annotations"))
        labels = {**reading.texts(inner.get("exp_labels"), "labels"), "alertname": name}
        annotations = reading.texts(inner.get("exp_annotations"), "annotations")
        expected.append(ExpectedAlert(labels_of(labels), tuple(sorted(annotations.items()))))
    return AlertTest(reading.duration(fields.get("eval_time")) or 0, name, tuple(expected))


def _query_test(reading: Reading, node: Node) -> QueryTest:
    fields = reading.fields(node, "an expression test", ("expr", "eval_time", "exp_samples"))
    expected: list[tuple[Labels, float | Histogram]] = []
    for one in reading.items(fields.get("exp_samples"), "samples"):
        inner = reading.fields(one, "a sample", ("labels", "value", "histogram"))
        none: Labels = ()
        labels = _noted(reading, inner, "labels", metric_of, none)
        value: float | Histogram = reading.parsed(inner.get("value"), "a number", _value_of, 0.0)
        if reading.text(inner.get("histogram")):
            value = _noted(reading, inner, "histogram", histogram_in, value)
        expected.append((labels, value))
    return QueryTest(
        reading.duration(fields.get("eval_time")) or 0,
        reading.text(fields.get("expr")),
        tuple(expected),
    )


def _value_of(text: str) -> float:
    plain = text.lower().lstrip("+-").lstrip(".")
    if plain in ("inf", "nan"):
        return float(plain) * (-1 if text[0] == "-" else 1)
    sign = -1.0 if text[0] == "-" else 1.0
    digits = text.lstrip("+-")
    return sign * (number_of(digits) if digits[:2] in ("0x", "0X") else float(digits))
