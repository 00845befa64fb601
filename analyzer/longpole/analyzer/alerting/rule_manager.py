"""Evaluates groups when they are due, has written what they yield, and shows where they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from longpole.analyzer.alerting.board import GroupState, Health
from longpole.analyzer.alerting.group_evaluation import (
    STALE,
    GroupRun,
    RuleRun,
    Surround,
    evaluate_group,
    wanted_by,
)
from longpole.analyzer.alerting.notifications import Notice, outgoing
from longpole.analyzer.alerting.restoring import RestoreSettings, restore
from longpole.analyzer.alerting.rules import Rule, RuleGroup
from longpole.analyzer.alerting.shared_reads import SharedReads, joined
from longpole.analyzer.alerting.tick_source import Sample

# As Prometheus: the second evaluation after a start knows which alerts there are.
EVALUATIONS_BEFORE_RESTORING = 2
PLACES = 4


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """`interval_ms` holds for groups that say none; `resend_ms` between two messages on one
    alert that goes on."""

    interval_ms: int = 60_000
    resend_ms: int = 60_000
    restore: RestoreSettings = RestoreSettings()


@dataclass(slots=True)
class RuleCounts:
    """What was done since the start."""

    evaluations: int = 0
    failures: int = 0
    missed: int = 0
    unwritten: int = 0


@dataclass(slots=True)
class _Scheduled:
    """A group with its place in time: it is due at `offset_ms` of each interval."""

    run: GroupRun
    offset_ms: int
    evaluations: int = 0

    def due_ms(self, now_ms: int) -> int:
        """The latest time it was due."""
        interval = self.run.interval_ms
        return (now_ms - self.offset_ms) // interval * interval + self.offset_ms


@dataclass(slots=True)
class RuleManager:
    """All groups of a server. `load` and `run_due` belong to one thread; `groups` to any.
    `write` keeps samples and raises when it cannot; `send` takes messages and never waits."""

    around: Surround
    settings: ManagerSettings
    write: Callable[[Sequence[Sample]], None]
    send: Callable[[Sequence[Notice]], None]
    counts: RuleCounts = field(default_factory=RuleCounts)
    _groups: list[_Scheduled] = field(default_factory=list)
    _ended: list[Sample] = field(default_factory=list)
    _shown: tuple[GroupState, ...] = ()

    def groups(self) -> Sequence[GroupState]:
        """As `RuleBoard` promises."""
        return self._shown

    def load(self, groups: Sequence[RuleGroup], now_ms: int, is_start: bool) -> None:
        """Evaluate these groups from now on. Groups and rules that were there before keep their
        state; series of those that are gone end. At a start, states are restored."""
        before = {(one.run.group.file, one.run.group.name): one for one in self._groups}
        loaded = []
        for group in groups:
            made = GroupRun.of(group, self.settings.interval_ms, is_restored=not is_start)
            known = before.pop((group.file, group.name), None)
            offset = _spread(group, made.interval_ms)
            place = _Scheduled(made, offset)
            if known is not None:
                _carry_over(known.run, made)
                place.evaluations = known.evaluations
            elif not is_start:
                place.evaluations = EVALUATIONS_BEFORE_RESTORING
            loaded.append(place)
        for gone in before.values():
            series = {one for rule in gone.run.rules for one in rule.series}
            self._ended += [Sample(labels, now_ms, STALE) for labels in sorted(series)]
        self._groups = loaded
        self._show()

    def run_due(self, now_ms: int, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Evaluate each group that became due since its last evaluation, at the time it was due.
        What was missed in between is counted and left out. After a clock that was set back rules go
        on at its time, so that nobody is left without alerts until it has caught up."""
        if self._ended:
            self._write(self._ended)
            self._ended = []
        due = [
            (place, at_ms)
            for place in self._groups
            if (at_ms := place.due_ms(now_ms)) > place.run.at_ms
            or place.run.at_ms > now_ms + place.run.interval_ms
        ]
        shared = SharedReads(
            self.around.source,
            joined(wanted_by(place.run, at_ms, self.around) for place, at_ms in due),
        )
        for place, at_ms in due:
            if is_stopping():
                return
            if 0 < place.run.at_ms < at_ms:
                self.counts.missed += (at_ms - place.run.at_ms) // place.run.interval_ms - 1
            self._evaluate(place, at_ms, now_ms, shared)

    def next_ms(self, now_ms: int) -> int:
        """When the next group is due; an interval from now without groups."""
        return min(
            (one.due_ms(now_ms) + one.run.interval_ms for one in self._groups),
            default=now_ms + self.settings.interval_ms,
        )

    def _evaluate(self, place: _Scheduled, due_ms: int, now_ms: int, shared: SharedReads) -> None:
        run = place.run
        self._write(evaluate_group(run, due_ms, self.around, shared))
        place.evaluations += 1
        self.counts.evaluations += len(run.rules)
        self.counts.failures += sum(rule.health is Health.ERR for rule in run.rules)
        if place.evaluations == EVALUATIONS_BEFORE_RESTORING:
            restore(run, self.around.source, now_ms, self.settings.restore)
        notices = outgoing(
            run, due_ms, self.settings.resend_ms,
            self.around.external_labels, self.around.external_url,
        )  # fmt: skip
        if notices:
            self.send(notices)
        self._show()

    def _write(self, samples: Sequence[Sample]) -> None:
        if not samples:
            return
        try:
            self.write(samples)
        except Exception:
            self.counts.unwritten += len(samples)
            raise

    def _show(self) -> None:
        self._shown = tuple(one.run.shown() for one in self._groups)


def _spread(group: RuleGroup, interval_ms: int) -> int:
    """Where in its interval a group is due: the same after each start, and not all at once. Groups
    that are due together share what they read, so there are only a few places."""
    digest = hashlib.blake2b(f"{group.file};{group.name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % PLACES * interval_ms // PLACES


def _carry_over(before: GroupRun, after: GroupRun) -> None:
    """The state of rules that are the same by name and labels; series of the others end."""
    known: dict[tuple[object, ...], list[RuleRun]] = {}
    for rule in before.rules:
        known.setdefault(_identity(rule.rule), []).append(rule)
    for rule in after.rules:
        same = known.get(_identity(rule.rule))
        if same:
            old = same.pop(0)
            rule.alerts, rule.series, rule.is_restored = old.alerts, old.series, old.is_restored
            rule.health, rule.error, rule.at_ms = old.health, old.error, old.at_ms
        else:
            rule.is_restored = True
    gone = {one for rules in known.values() for rule in rules for one in rule.series}
    after.stale = before.stale | frozenset(gone)
    after.at_ms = before.at_ms if before.interval_ms == after.interval_ms else 0


def _identity(rule: Rule) -> tuple[object, ...]:
    return rule.kind, rule.name, rule.labels
