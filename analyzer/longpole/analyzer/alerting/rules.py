"""Rule groups as they are evaluated: what a rule file says, checked and parsed."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.alerting.board import RuleKind
from longpole.analyzer.promql.expressions import Expression

# In the order of the file; unlike labels of series, values may be empty: that removes a label.
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `labels` are its own with those of its group below them, values are templates
    for alerts and plain for records; times are milliseconds."""

    kind: RuleKind
    name: str
    query: str
    expression: Expression
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    labels: Pairs = ()
    annotations: Pairs = ()


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated one after the other. None: the server's setting holds."""

    name: str
    file: str
    rules: tuple[Rule, ...]
    interval_ms: int | None = None
    limit: int = 0
    query_offset_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """What is wrong with a rule file. `line` and `column` count from 1; 0 when not known."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.line}:{self.column}: " if self.line else ""
        return f"{self.file}: {place}{self.message}"
