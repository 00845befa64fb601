from __future__ import annotations

import numpy as np

from longpole.analyzer.alerting.shared_reads import SharedReads, wanted_of
from longpole.analyzer.alerting.tick_source import Sample, TickSource
from longpole.analyzer.promql.evaluation import Settings, Steps, evaluate
from longpole.analyzer.promql.expressions import VectorSelector
from longpole.analyzer.promql.memory_catalog import MemoryCatalog
from longpole.analyzer.promql.query import parse
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Series, labels_of
from longpole.analyzer.promql.vectors import Vector

AT_MS = 600_000
UP = [labels_of({NAME: "up", "job": job}) for job in ("a", "b")]
STORE = MemoryCatalog(Series(one, np.array([AT_MS - 1]), np.array([1.0])) for one in UP)
SUM = parse("sum(up)")


def reads(*queries: str) -> SharedReads:
    return SharedReads(STORE, wanted_of(map(parse, queries), AT_MS, 300_000))


def asked(query: str, source: TickSource) -> list[float]:
    steps = Steps(AT_MS, AT_MS)
    found = evaluate(parse(query), source, steps, Settings(), lambda: 0.0, known=source)
    assert isinstance(found, Vector)
    return [float(one) for one in found.values[:, 0]]


def test_groups_of_a_round_calculate_once_what_they_say_of_series_that_they_share() -> None:
    shared = reads("sum(up)", 'up{job="a"}')
    first, second = TickSource(STORE, shared), TickSource(STORE, shared)
    assert second.find(SUM, AT_MS) is None
    assert asked("sum(up) > 1", first) == [2.0]
    known = second.find(SUM, AT_MS)
    assert isinstance(known, Vector)
    assert known.values.tolist() == [[2.0]]
    assert second.find(SUM, AT_MS + 1) is None
    assert asked("1 + sum(up)", second) == [3.0]


def test_a_selector_that_all_rules_mean_is_read_once_and_others_of_its_metric_apart() -> None:
    shared = reads('up{job="a"}', 'sum(up{job="a"})')
    named, of_a = parse("up"), parse('up{job="a"}')
    assert isinstance(named, VectorSelector)
    assert isinstance(of_a, VectorSelector)
    found = shared.matching("up", of_a.matchers, AT_MS - 300_000, AT_MS)
    assert found is not None
    assert [one.labels for one in found] == [UP[0]]
    assert shared.matching("up", named.matchers, AT_MS - 300_000, AT_MS) is None
    assert asked("sum(up)", TickSource(STORE, shared)) == [2.0]
    assert TickSource(STORE, shared).find(SUM, AT_MS) is None


def test_what_one_group_reads_alone_no_other_takes_from_it() -> None:
    shared = reads("sum(up)")
    first, second = TickSource(STORE, shared), TickSource(STORE, shared)
    assert asked("sum(up)", first) == [2.0]
    assert first.find(SUM, AT_MS) is not None
    assert second.find(SUM, AT_MS) is None


def test_a_rule_sees_what_was_recorded_after_the_same_was_asked_before() -> None:
    source = TickSource(STORE, reads("sum(up)", 'up{job="a"}'))
    assert asked("sum(up)", source) == [2.0]
    source.record([Sample(UP[0], AT_MS, 10.0)])
    assert asked("sum(up)", source) == [11.0]
    assert asked('sum({__name__=~"u."})', source) == [11.0]


def test_a_metric_chosen_by_a_pattern_is_asked_again_after_each_record() -> None:
    source = TickSource(STORE, reads())
    assert asked('sum({__name__=~"u."})', source) == [2.0]
    source.record([Sample(UP[1], AT_MS, 10.0)])
    assert asked('sum({__name__=~"u."})', source) == [11.0]
