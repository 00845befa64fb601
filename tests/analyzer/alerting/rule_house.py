"""A rule manager over series in memory, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from longpole.analyzer.alerting.group_evaluation import Surround
from longpole.analyzer.alerting.notifications import Notice
from longpole.analyzer.alerting.restoring import RestoreSettings
from longpole.analyzer.alerting.rule_files import read_rules
from longpole.analyzer.alerting.rule_manager import ManagerSettings, RuleManager
from longpole.analyzer.alerting.rule_testing import GrowingSeries
from longpole.analyzer.alerting.rules import RuleGroup
from longpole.analyzer.alerting.tick_source import Sample
from longpole.analyzer.alerting.workers import InTurn
from longpole.analyzer.promql.evaluation import Settings
from longpole.analyzer.promql.expressions import Matcher, MatchOp
from longpole.analyzer.promql.selectors import NAME
from longpole.analyzer.promql.series import Labels, SeriesSource, is_stale, labels_of

MINUTE = 60_000
START = 1_700_000_000_000 // MINUTE * MINUTE
UP = labels_of({NAME: "up", "job": "a"})


def groups(text: str) -> tuple[RuleGroup, ...]:
    """The groups of a rule file."""
    read = read_rules(text, "rules.yml")
    assert not read.problems
    return read.groups


@dataclass
class House:
    """A manager over series in memory, and what it sent."""

    series: GrowingSeries = field(default_factory=GrowingSeries)
    notices: list[Notice] = field(default_factory=list)
    settings: ManagerSettings = ManagerSettings(restore=RestoreSettings(grace_ms=5 * MINUTE))
    external_labels: Labels = ()

    def manager(
        self, rules: Sequence[RuleGroup], at_ms: int, source: SeriesSource | None = None,
        workers: Executor | None = None,
    ) -> RuleManager:  # fmt: skip
        """A manager that was started just now; it reads `source` instead of the series."""
        around = Surround(
            source or self.series, Settings(), lambda: 0.0, self.external_labels, "http://here"
        )
        made = RuleManager(
            around, self.settings, self.series.add, self.notices.extend, workers or InTurn()
        )
        made.load(rules, at_ms, is_start=True)
        return made

    def run(self, manager: RuleManager, first: int, last: int, value: float) -> None:
        """Minutes `first` through `last`, with `up` of that value."""
        for minute in range(first, last + 1):
            now = START + minute * MINUTE
            self.series.add([Sample(UP, now - MINUTE + 1, value)])
            manager.run_due(now + MINUTE - 1)

    def last(self, name: str) -> tuple[float, bool]:
        """The last value of the only series of a name, and whether that only says that it ended."""
        (series,) = self.series.select([Matcher(NAME, MatchOp.EQUAL, name)], 0, 2**60, 10**6)
        return float(series.values[-1]), bool(is_stale(series.values[-1:])[0])
