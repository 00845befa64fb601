"""What rule groups, rules and alerts look like from outside, at one moment.

Everything that `/api/v1/rules` and `/api/v1/alerts` of Prometheus show; a board never blocks on an
evaluation that is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from longpole.analyzer.promql.series import Labels


class AlertState(StrEnum):
    """Where an alert, or the worst alert of a rule, stands. UNKNOWN: not evaluated yet."""

    UNKNOWN = "unknown"
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


class Health(StrEnum):
    """How the last evaluation of a rule went."""

    UNKNOWN = "unknown"
    OK = "ok"
    ERR = "err"


class RuleKind(StrEnum):
    """What a rule makes, in the words of the API."""

    ALERTING = "alerting"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """A pending or firing alert. Times are Unix milliseconds; `fired_at_ms` is 0 while pending,
    `keep_firing_since_ms` is 0 unless the expression no longer yields it."""

    labels: Labels
    annotations: Labels
    state: AlertState
    value: float
    active_at_ms: int
    fired_at_ms: int = 0
    keep_firing_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class RuleState:
    """One rule. `labels` are those of rule and group as written, `query` the expression in
    PromQL. `last_evaluation_ms` is 0 before the first. Of a recording rule: no annotations, no
    alerts, state INACTIVE."""

    kind: RuleKind
    name: str
    query: str
    labels: Labels
    annotations: Labels
    for_seconds: float
    keep_firing_for_seconds: float
    state: AlertState
    alerts: tuple[ActiveAlert, ...]
    health: Health
    last_error: str
    evaluation_seconds: float
    last_evaluation_ms: int


@dataclass(frozen=True, slots=True)
class GroupState:
    """One group with its rules in order. `limit` 0 is none."""

    name: str
    file: str
    interval_seconds: float
    limit: int
    rules: tuple[RuleState, ...]
    evaluation_seconds: float
    last_evaluation_ms: int


class RuleBoard(Protocol):
    """Shows what rules there are and what they found."""

    def groups(self) -> Sequence[GroupState]:
        """Every group, by file, then in the order of the file. Empty without rule files."""
        ...


@dataclass(frozen=True, slots=True)
class FixedBoard:
    """A board that stands still: for a server without rules, and for tests."""

    held: tuple[GroupState, ...] = ()

    def groups(self) -> Sequence[GroupState]:
        return self.held
