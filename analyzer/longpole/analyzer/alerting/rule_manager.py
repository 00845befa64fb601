"""Evaluates groups when they are due, has written what they yield, and shows where they stand.

Groups do not wait for each other. One thread knows the time and hands out those that are due; a
few workers evaluate them. A group that takes longer than its interval misses evaluations of its
own, and those of the others come at their time.

    due ──handed out──▶ in the queue ──a worker is free──▶ evaluated ──▶ idle, until it is due again
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial

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
from longpole.analyzer.alerting.workers import InTurn

# As Prometheus: the second evaluation after a start knows which alerts there are.
EVALUATIONS_BEFORE_RESTORING = 2
PLACES = 4
# A group that is late is begun again soon after it ended.
LATE_LOOK_MS = 200


@dataclass(frozen=True, slots=True)
class ManagerSettings:
    """`interval_ms` holds for groups that say none; `resend_ms` between two messages on one
    alert that goes on."""

    interval_ms: int = 60_000
    resend_ms: int = 60_000
    restore: RestoreSettings = RestoreSettings()


@dataclass(slots=True)
class RuleCounts:
    """What was done since the start. Several workers count."""

    evaluations: int = 0
    failures: int = 0
    missed: int = 0
    unwritten: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, evaluations: int = 0, failures: int = 0, missed: int = 0, unwritten: int = 0
    ) -> None:
        """Count some more."""
        with self._lock:
            self.evaluations += evaluations
            self.failures += failures
            self.missed += missed
            self.unwritten += unwritten


@dataclass(slots=True)
class _Scheduled:
    """A group with its place in time: it is due at `offset_ms` of each interval. While `work` goes
    on, `run` is the worker's alone; a changed group takes over when that has ended."""

    run: GroupRun
    offset_ms: int
    shown: GroupState
    evaluations: int = 0
    work: Future[None] | None = None
    begun_ms: int = 0
    successor: GroupRun | None = None

    @staticmethod
    def of(run: GroupRun) -> _Scheduled:
        """A group that was not evaluated yet."""
        return _Scheduled(run, _spread(run.group, run.interval_ms), run.shown())

    @property
    def is_busy(self) -> bool:
        """Whether it is evaluated, or waits for a worker."""
        return self.work is not None and not self.work.done()

    def due_ms(self, now_ms: int) -> int:
        """The latest time it was due."""
        interval = self.run.interval_ms
        return (now_ms - self.offset_ms) // interval * interval + self.offset_ms

    def is_due(self, now_ms: int) -> bool:
        """Whether it was due since its last evaluation, or that was long after now."""
        run = self.run
        return self.due_ms(now_ms) > run.at_ms or run.at_ms > now_ms + run.interval_ms

    def succeed(self, run: GroupRun) -> None:
        """Go on with a group as it is now, in the state that it was left in."""
        _carry_over(self.run, run)
        self.run, self.offset_ms = run, _spread(run.group, run.interval_ms)
        self.shown, self.successor = run.shown(), None


@dataclass(slots=True)
class RuleManager:
    """All groups of a server. `load`, `run_due` and `next_ms` belong to one thread; `groups` to
    any. `write` keeps samples and raises when it cannot; `send` takes messages and never waits;
    both are called by `workers`, which evaluate as many groups at once as they have threads, and
    hear of what could not be written."""

    around: Surround
    settings: ManagerSettings
    write: Callable[[Sequence[Sample]], None]
    send: Callable[[Sequence[Notice]], None]
    workers: Executor = field(default_factory=InTurn)
    counts: RuleCounts = field(default_factory=RuleCounts)
    _groups: list[_Scheduled] = field(default_factory=list)
    # They are gone from the files while they are evaluated.
    _leaving: list[_Scheduled] = field(default_factory=list)
    _ended: list[Sample] = field(default_factory=list)

    def groups(self) -> Sequence[GroupState]:
        """As `RuleBoard` promises."""
        return tuple(one.shown for one in self._groups)

    def load(self, groups: Sequence[RuleGroup], now_ms: int, is_start: bool) -> None:
        """Evaluate these groups from now on. Groups and rules that were there before keep their
        state; series of those that are gone end. At a start, states are restored. A group that is
        evaluated just now is changed when that is done."""
        held = (*self._leaving, *self._groups)
        before = {(one.run.group.file, one.run.group.name): one for one in held}
        loaded = []
        for group in groups:
            made = GroupRun.of(group, self.settings.interval_ms, is_restored=not is_start)
            place = before.pop((group.file, group.name), None)
            if place is None:
                place = _Scheduled.of(made)
                place.evaluations = 0 if is_start else EVALUATIONS_BEFORE_RESTORING
            elif place.is_busy:
                place.successor = made
            else:
                place.succeed(made)
            loaded.append(place)
        self._groups, self._leaving = loaded, list(before.values())
        self._settle(now_ms)

    def _settle(self, now_ms: int) -> None:
        """Change and end the groups that are to be, as far as nobody evaluates them."""
        for place in self._groups:
            if place.successor is not None and not place.is_busy:
                place.succeed(place.successor)
        for gone in self._leaving:
            if not gone.is_busy:
                series = {one for rule in gone.run.rules for one in rule.series}
                self._ended += [Sample(labels, now_ms, STALE) for labels in sorted(series)]
        self._leaving = [one for one in self._leaving if one.is_busy]

    def run_due(self, now_ms: int, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Have each group evaluated that became due since its last evaluation, at the time it was
        due, unless it is evaluated still. What was missed in between is counted and left out. After
        a clock that was set back rules go on at its time, so that nobody is left without alerts
        until it has caught up."""
        self._settle(now_ms)
        if self._ended:
            ended, self._ended = self._ended, []
            self.workers.submit(partial(self._write, ended))
        due = [
            (place, place.due_ms(now_ms))
            for place in self._groups
            if not place.is_busy and place.is_due(now_ms)
        ]
        shared = SharedReads(
            self.around.source,
            joined(wanted_by(place.run, at_ms, self.around) for place, at_ms in due),
        )
        for place, at_ms in due:
            if is_stopping():
                return
            if 0 < place.run.at_ms < at_ms:
                missed = (at_ms - place.run.at_ms) // place.run.interval_ms - 1
                self.counts.add(missed=missed)
            place.begun_ms = at_ms
            place.work = self.workers.submit(
                partial(self._evaluate, place, at_ms, now_ms, shared, is_stopping)
            )

    def next_ms(self, now_ms: int) -> int:
        """When to look again: the next group is due, or one that is late may have ended; an
        interval from now without groups."""
        is_late = any(one.is_busy and one.due_ms(now_ms) > one.begun_ms for one in self._groups)
        soonest = min(
            (one.due_ms(now_ms) + one.run.interval_ms for one in self._groups),
            default=now_ms + self.settings.interval_ms,
        )
        return min(soonest, now_ms + LATE_LOOK_MS) if is_late else soonest

    def _evaluate(
        self, place: _Scheduled, due_ms: int, now_ms: int, shared: SharedReads,
        is_stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        if is_stopping():
            return
        run = place.run
        samples = evaluate_group(run, due_ms, self.around, shared)
        place.shown = run.shown()
        self.counts.add(
            len(run.rules), failures=sum(rule.health is Health.ERR for rule in run.rules)
        )
        self._write(samples)
        place.evaluations += 1
        if place.evaluations == EVALUATIONS_BEFORE_RESTORING:
            restore(run, self.around.source, now_ms, self.settings.restore)
        notices = outgoing(
            run, due_ms, self.settings.resend_ms,
            self.around.external_labels, self.around.external_url,
        )  # fmt: skip
        if notices:
            self.send(notices)
        place.shown = run.shown()

    def _write(self, samples: Sequence[Sample]) -> None:
        if not samples:
            return
        try:
            self.write(samples)
        except Exception:
            self.counts.add(unwritten=len(samples))
            raise


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
