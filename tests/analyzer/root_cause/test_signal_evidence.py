"""Evidence from logs and metrics: what counts, what weighs, and that quiet stays quiet."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.correlation.log_lines import LogLine
from longpole.analyzer.correlation.metric_series import Series, Value
from longpole.analyzer.root_cause.log_evidence import log_evidence
from longpole.analyzer.root_cause.metric_evidence import metric_evidence
from longpole.analyzer.root_cause.places import Place
from longpole.analyzer.root_cause.settings import RootCauseSettings
from longpole.model.timerange import TimeRange

SETTINGS = RootCauseSettings()
SPANS = {"a": 100, "b": 100}
S = 1_000_000_000
BEFORE, NOW = TimeRange(0, 100 * S), TimeRange(100 * S, 200 * S)


def lines(service: str, body: str, count: int, level: int) -> list[LogLine]:
    return [LogLine(n, service, level, "", f"{body} {n}", n + 1, 5) for n in range(count)]


def blamed(before: list[LogLine], after: list[LogLine]) -> list[Place]:
    return [one.place for one in log_evidence(before, after, SPANS, SPANS, SETTINGS)]


def test_an_error_weighs_more_than_many_lines_of_routine() -> None:
    after = [*lines("a", "broke", 20, 17), *lines("b", "did its work", 60, 9)]
    found = log_evidence([], after, SPANS, SPANS, SETTINGS)
    assert [one.place.service for one in found] == ["a", "b"]
    assert "'broke <*>' 20 times at level error, 0 times before" in found[0].words
    assert found[0].examples[0].span_id == 5


def test_more_of_everything_is_needed_than_chance_gives() -> None:
    assert blamed(lines("a", "broke", 10, 17), lines("a", "broke", 14, 17)) == []
    assert blamed([], lines("a", "broke", 3, 17)) == []
    assert blamed(lines("a", "broke", 50, 17), []) == []


def test_a_service_without_spans_on_one_side_cannot_be_compared() -> None:
    after = lines("a", "broke", 50, 17)
    assert log_evidence([], after, {"b": 9}, SPANS, SETTINGS) == []


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([9, 13, 17]),
                          st.sampled_from(["x", "y 1", "z"])), max_size=60),
       st.integers(0, 9))  # fmt: skip
def test_equal_logs_in_any_order_accuse_nobody(made: list[tuple[str, int, str]], seed: int) -> None:
    before = [LogLine(0, service, level, "", body) for service, level, body in made]
    after = list(before)
    Random(seed).shuffle(after)
    assert blamed(before, after) == []


def series(name: str, low: float, high: float, service: str = "a") -> Series:
    """A gauge every ten seconds, `high` in the second window."""
    values = tuple(
        Value(n * 10 * S, n * 10 * S, (low if n < 10 else high) + n % 2) for n in range(20)
    )
    return Series(name, "value", "1", service, (), (), values)


def test_a_full_pool_is_evidence_and_slow_requests_are_not() -> None:
    found = metric_evidence(
        [series("pool.used", 2, 90), series("http.server.request.duration", 1, 500, "b")],
        NOW, BEFORE, SETTINGS,
    )  # fmt: skip
    assert [one.place for one in found] == [Place("a")]
    assert (found[0].before, found[0].after, found[0].strength) == (2.5, 90.5, 1.0)


def test_metrics_as_ever_are_no_evidence() -> None:
    assert metric_evidence([series("pool.used", 2, 2)], NOW, BEFORE, SETTINGS) == []
