from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from longpole.analyzer.alerting.board import Health
from longpole.analyzer.alerting.group_evaluation import Stopped
from longpole.analyzer.alerting.rule_manager import LATE_LOOK_MS, RuleManager
from longpole.analyzer.alerting.rule_testing import GrowingSeries
from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.alerting.workers import InTurn, Workers
from longpole.analyzer.promql.expressions import Matcher
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Series, labels_of
from tests.analyzer.alerting.rule_house import MINUTE, START, UP, House, groups


@dataclass
class Blocked:
    """Series of which `slow` is not answered before the gate is open."""

    series: GrowingSeries
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def select(
        self, matchers: Sequence[Matcher], after_ms: int, through_ms: int, most_samples: int
    ) -> Sequence[Series]:
        if any(one.value == "slow" for one in matchers):
            self.asked.set()
            assert self.gate.wait(60)
        return self.series.select(matchers, after_ms, through_ms, most_samples)


SLOW_AND_QUICK = """
groups:
- {name: slow, rules: [{record: late, expr: slow}]}
- {name: quick, rules: [{record: r, expr: up}, {alert: A, expr: up}]}
"""


def evaluated(manager: RuleManager, name: str) -> int:
    """When a group was last evaluated, once nobody works on it any more."""
    return next(one.last_evaluation_ms for one in manager.groups() if one.name == name)


@contextmanager
def beside_a_slow_group(text: str) -> Iterator[tuple[RuleManager, Blocked, Workers]]:
    house = House()
    house.series.add([Sample(UP, START, 1.0)])
    blocked = Blocked(house.series)
    errors: list[Exception] = []
    with Workers(2, errors.append) as workers:
        manager = house.manager(groups(text), START, blocked, workers)
        try:
            yield manager, blocked, workers
        finally:
            blocked.gate.set()
    assert errors == []


def idle(workers: Workers) -> None:
    """Until all that was queued before is done, with one worker taken by the slow group."""
    workers.submit(lambda: None).result(60)


def test_a_slow_group_misses_its_own_evaluations_and_delays_no_other() -> None:
    with beside_a_slow_group(SLOW_AND_QUICK) as (manager, blocked, workers):
        for minute in range(1, 5):
            manager.run_due(START + minute * MINUTE)
            assert blocked.asked.wait(60)
            idle(workers)
            due = evaluated(manager, "quick")
            assert START + (minute - 1) * MINUTE < due <= START + minute * MINUTE
        assert evaluated(manager, "slow") == 0
        # It is late, so it is looked after before the next one is due.
        assert manager.next_ms(START + 4 * MINUTE) <= START + 4 * MINUTE + LATE_LOOK_MS
        assert manager.counts.missed == 0
        blocked.gate.set()
    first = evaluated(manager, "slow")
    assert START < first <= START + MINUTE
    manager.workers = InTurn()
    manager.run_due(START + 4 * MINUTE)
    assert manager.counts.missed == 2
    assert evaluated(manager, "slow") == first + 3 * MINUTE


def test_a_group_that_is_changed_while_it_is_evaluated_changes_afterwards() -> None:
    with beside_a_slow_group(SLOW_AND_QUICK) as (manager, blocked, _):
        manager.run_due(START + MINUTE)
        assert blocked.asked.wait(60)
        changed = SLOW_AND_QUICK.replace("expr: slow", "expr: up")
        manager.load(groups(changed), START + MINUTE, is_start=False)
        assert [one.rules[0].query for one in manager.groups()] == ["slow", "up"]
    manager.workers = InTurn()
    manager.run_due(START + 2 * MINUTE)
    assert [one.rules[0].query for one in manager.groups()] == ["up", "up"]
    assert {one.rules[0].health for one in manager.groups()} == {Health.OK}


def test_series_of_a_group_that_goes_while_it_is_evaluated_end_afterwards() -> None:
    house = House()
    house.series.add([Sample(labels_of({NAME: "slow"}), START, 1.0)])
    blocked = Blocked(house.series)
    with Workers(2, lambda _: None) as workers:
        manager = house.manager(groups(SLOW_AND_QUICK), START, blocked, workers)
        manager.run_due(START + MINUTE)
        assert blocked.asked.wait(60)
        manager.load((), START + MINUTE, is_start=False)
        assert manager.groups() == ()
        blocked.gate.set()
    assert house.last("late") == (1.0, False)
    manager.workers = InTurn()
    manager.run_due(START + 2 * MINUTE)
    assert house.last("late")[1]


def test_groups_that_share_a_metric_read_it_once_from_several_threads() -> None:
    text = "groups:\n" + "".join(
        f"- {{name: g{n}, rules: [{{record: r{n}, expr: slow + {n}}}]}}\n" for n in range(8)
    )
    house, reads = House(), []
    house.series.add([Sample(labels_of({NAME: "slow"}), START, 1.0)])
    blocked = Blocked(house.series)

    class Counted:
        def select(self, *asked: Any) -> Sequence[Series]:
            reads.append(asked)
            return blocked.select(*asked)

    with Workers(8, lambda _: None) as workers:
        manager = house.manager(groups(text), START, Counted(), workers)
        manager.run_due(START + MINUTE)
        assert blocked.asked.wait(60)
        blocked.gate.set()
    assert len(reads) == 1
    assert all(house.last(f"r{n}") == (n + 1.0, False) for n in range(8))


def test_what_is_evaluated_when_the_server_stops_is_given_up_after_the_rule() -> None:
    house, is_stopped = House(), threading.Event()
    house.series.add([Sample(UP, START, 1.0)])

    def go_on() -> None:
        if is_stopped.is_set():
            raise Stopped

    class StopsWhenAsked:
        def select(self, *asked: Any) -> Sequence[Series]:
            found = house.series.select(*asked)
            if any(one.value == "second" for one in asked[0]):
                is_stopped.set()
            return found

    text = """
groups:
- name: g
  rules: [{record: first, expr: up}, {record: b, expr: second + up}, {record: third, expr: up}]
"""
    manager = house.manager(groups(text), START, StopsWhenAsked())
    manager.around = replace(manager.around, go_on=go_on)
    manager.run_due(START + MINUTE, is_stopped.is_set)
    assert house.last("first") == (1.0, False)
    healths = [rule.health for rule in manager.groups()[0].rules]
    assert healths == [Health.OK, Health.UNKNOWN, Health.UNKNOWN]
