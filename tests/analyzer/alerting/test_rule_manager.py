from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from longpole.analyzer.alerting.board import AlertState
from longpole.analyzer.alerting.group_evaluation import Surround
from longpole.analyzer.alerting.rule_manager import ManagerSettings, RuleManager
from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.promql.evaluation import Settings
from longpole.analyzer.promql.series import labels_of
from tests.analyzer.alerting.rule_house import MINUTE, START, House, groups

WAITING = "groups:\n- {name: g, rules: [{alert: Down, expr: up == 0, for: 20m}]}\n"


def states(manager: RuleManager) -> list[AlertState]:
    return [a.state for g in manager.groups() for rule in g.rules for a in rule.alerts]


def test_an_alert_waits_fires_and_is_resolved() -> None:
    house = House()
    manager = house.manager(groups(WAITING), START)
    house.run(manager, 0, 19, 0)
    assert states(manager) == [AlertState.PENDING]
    assert house.notices == []
    house.run(manager, 20, 21, 0)
    assert states(manager) == [AlertState.FIRING]
    house.run(manager, 22, 22, 1)
    assert states(manager) == []
    assert [(one.is_resolved, one.is_news) for one in house.notices][-1] == (True, True)
    assert house.notices[0].starts_ms == house.notices[-1].starts_ms


@pytest.mark.parametrize(
    ("down_minutes", "fires_after"),
    # 10 of 20 minutes were waited, so 10 are left, however long it was down.
    [(3, 10), (30, 10)],
)
def test_the_wait_goes_on_after_a_restart(down_minutes: int, fires_after: int) -> None:
    house = House()
    house.run(house.manager(groups(WAITING), START), 0, 10, 0)
    back = 11 + down_minutes
    restarted = house.manager(groups(WAITING), START + back * MINUTE)
    house.run(restarted, back, back + fires_after - 2, 0)
    assert states(restarted) == [AlertState.PENDING]
    house.run(restarted, back + fires_after - 1, back + fires_after + 2, 0)
    assert states(restarted) == [AlertState.FIRING]


def test_an_alert_that_fired_before_a_restart_fires_again_at_once() -> None:
    house = House()
    house.run(house.manager(groups(WAITING), START), 0, 25, 0)
    restarted = house.manager(groups(WAITING), START + 28 * MINUTE)
    house.run(restarted, 28, 30, 0)
    assert states(restarted) == [AlertState.FIRING]


def test_after_a_long_outage_the_wait_begins_anew() -> None:
    house = House()
    house.run(house.manager(groups(WAITING), START), 0, 19, 0)
    restarted = house.manager(groups(WAITING), START + 90 * MINUTE)
    house.run(restarted, 90, 105, 0)
    assert states(restarted) == [AlertState.PENDING]


def test_missed_evaluations_are_left_out_and_counted() -> None:
    house = House()
    manager = house.manager(groups("groups: [{name: g, rules: [{record: r, expr: up}]}]"), START)
    house.run(manager, 0, 1, 0)
    house.run(manager, 7, 7, 0)
    assert manager.counts.missed == 5
    assert manager.counts.evaluations == 3


def test_a_receiver_hears_again_only_after_the_delay_and_gets_external_labels() -> None:
    house = House(
        settings=ManagerSettings(resend_ms=3 * MINUTE),
        external_labels=labels_of({"dc": "eu", "job": "lost"}),
    )
    manager = house.manager(groups("groups: [{name: g, rules: [{alert: A, expr: up}]}]"), START)
    house.run(manager, 0, 8, 1)
    assert [one.is_news for one in house.notices] == [True, False, False]
    first = house.notices[0]
    assert dict(first.labels) == {"alertname": "A", "dc": "eu", "job": "a"}
    assert first.ends_ms - first.starts_ms == 4 * 3 * MINUTE
    assert first.generator_url == "http://here/graph?g0.expr=up&g0.tab=1"


def test_rules_that_stay_keep_their_alerts_and_series_of_those_that_go_end() -> None:
    house = House()
    both = WAITING + "- {name: h, rules: [{record: kept, expr: up}, {record: gone, expr: up}]}\n"
    manager = house.manager(groups(both), START)
    house.run(manager, 0, 5, 0)
    fewer = WAITING + "- {name: h, rules: [{record: kept, expr: up}]}\n"
    manager.load(groups(fewer), START + 6 * MINUTE, is_start=False)
    house.run(manager, 6, 7, 0)
    assert house.last("gone")[1]
    assert not house.last("kept")[1]
    house.run(manager, 8, 21, 0)
    assert states(manager) == [AlertState.FIRING]
    manager.load((), START + 22 * MINUTE, is_start=False)
    manager.run_due(START + 23 * MINUTE)
    assert house.last("kept")[1]
    assert house.last("ALERTS_FOR_STATE")[1]


def test_a_rule_that_cannot_be_written_is_counted() -> None:
    house = House()
    manager = house.manager(groups("groups: [{name: g, rules: [{record: r, expr: up}]}]"), START)

    def refuse(_: Sequence[Sample]) -> None:
        raise OSError("disk is full")

    manager.write = refuse
    with pytest.raises(OSError, match="full"):
        house.run(manager, 0, 0, 1)
    assert manager.counts.unwritten == 1


def test_an_alert_fires_also_when_its_annotation_takes_too_long() -> None:
    house = House()
    ticks = itertools.count()
    around = Surround(house.series, Settings(), lambda: next(ticks) * 0.1, (), "http://here")
    manager = RuleManager(around, house.settings, house.series.add, house.notices.extend)
    text = """
groups:
- name: g
  rules:
  - alert: A
    expr: up
    labels: {n: '{{ $value }}'}
    annotations:
      slow: '{{ range 99 }}{{ range 99 }}{{ query "up" }}{{ end }}{{ end }}'
"""
    manager.load(groups(text), START, is_start=True)
    house.run(manager, 0, 0, 3)
    (alert,) = manager.groups()[0].rules[0].alerts
    assert alert.state is AlertState.FIRING
    assert dict(alert.labels)["n"] == "3"
    assert "take over 10 s" in dict(alert.annotations)["slow"]


def test_rules_and_messages_go_on_when_the_clock_is_set_back() -> None:
    house = House()
    manager = house.manager(groups("groups: [{name: g, rules: [{alert: A, expr: up}]}]"), START)
    house.run(manager, 100, 103, 1)
    house.notices.clear()
    house.run(manager, 10, 12, 1)
    assert manager.groups()[0].last_evaluation_ms < START + 13 * MINUTE
    assert len(house.notices) >= 1
    assert manager.counts.missed == 0
    house.run(manager, 13, 13, 0)
    assert house.notices[-1].is_resolved
