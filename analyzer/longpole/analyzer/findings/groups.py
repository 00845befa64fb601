"""Groups: findings of many traces that have the same fault, by fingerprint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from statistics import median_low
from typing import TypeAlias

from longpole.analyzer.findings.detect import severity_rank
from longpole.analyzer.findings.window.window import WindowFinding
from longpole.model.finding import FindingSeverity

MOST_EXEMPLARS = 20
FEWEST_TRACES = 2
SMALLEST_SHARE = 0.03
TYPICAL_SHARE = 0.25  # of a fault's findings have its level, or a graver one

Root: TypeAlias = tuple[str, str]  # service and operation of a trace's root
# saving, how many spans show it, trace id, any number that leads to the rest of the finding
_Exemplar: TypeAlias = tuple[int, int, int, int]


@dataclass(slots=True)
class FindingGroup:
    """The same fault in `trace_count` traces. `savings_ns` has one number for each trace (the
    sum of its findings); `exemplars` are the findings that cost most, and of
    equal ones those that most spans show, as a heap."""

    fingerprint: str
    detector: str
    severities: Counter[str] = field(default_factory=Counter)
    savings_ns: dict[int, int] = field(default_factory=dict)
    roots: Counter[Root] = field(default_factory=Counter)
    first_seen_unix_nano: int = 0
    last_seen_unix_nano: int = 0
    exemplars: list[_Exemplar] = field(default_factory=list)
    told: WindowFinding | None = None  # what a rule that saw the whole window says of it

    def add(
        self,
        trace_id: int,
        severity: str,
        saving_ns: int,
        seen: int,
        root: Root,
        place: int,
        evidence: int = 0,
    ) -> None:
        """Add one finding; `place` is handed back with the exemplars. Of equal savings the one with
        more `evidence` goes first: how many spans show it, or how well they do."""
        self.severities[severity] += 1
        if trace_id not in self.savings_ns:
            self.first_seen_unix_nano = min(self.first_seen_unix_nano, seen) if self.roots else seen
            self.last_seen_unix_nano = max(self.last_seen_unix_nano, seen) if self.roots else seen
            self.roots[root] += 1
        self.savings_ns[trace_id] = self.savings_ns.get(trace_id, 0) + saving_ns
        push = heappush if len(self.exemplars) < MOST_EXEMPLARS else heappushpop
        push(self.exemplars, (saving_ns, evidence, -trace_id, -place))

    @property
    def severity(self) -> str:
        """The gravest level that a good part of its findings reaches: what is a warning once and
        harmless a hundred times is harmless. Info without any finding of a single trace."""
        needed = self.severities.total() * TYPICAL_SHARE
        reached = 0
        for severity in sorted(self.severities, key=severity_rank):
            reached += self.severities[severity]
            if reached >= needed:
                return severity
        return FindingSeverity.INFO.value

    def add_told(
        self,
        told: WindowFinding,
        savings_ns: Mapping[int, int],
        roots: Mapping[int, tuple[str, str, int]],
    ) -> None:
        """Add what a rule for the window says: its words count from now on. Traces that are
        known already keep the saving that was worked out for each of them."""
        self.told = told
        for trace_id, saving_ns in savings_ns.items():
            if trace_id in self.savings_ns:
                continue
            service, operation, seen = roots.get(trace_id, ("", "", 0))
            self.first_seen_unix_nano = min(self.first_seen_unix_nano, seen) if self.roots else seen
            self.last_seen_unix_nano = max(self.last_seen_unix_nano, seen)
            self.roots[service, operation] += 1
            self.savings_ns[trace_id] = saving_ns

    @property
    def trace_count(self) -> int:
        """In how many traces it was found."""
        return len(self.savings_ns)

    @property
    def total_saving_ns(self) -> int:
        """What mending it would save on all paths together."""
        return sum(self.savings_ns.values())

    @property
    def median_saving_ns(self) -> int:
        """Half of the traces with this finding would save at most that."""
        return median_low(self.savings_ns.values()) if self.savings_ns else 0

    @property
    def worst(self) -> list[tuple[int, int]]:
        """(trace id, place) of the exemplars, most saving first, each trace once."""
        best: dict[int, int] = {}
        for _, _, trace_id, place in sorted(self.exemplars, reverse=True):
            best.setdefault(-trace_id, -place)
        return list(best.items())

    def share(self, traces_of: Counter[Root]) -> float:
        """Its traces as a share of all traces of the operations it is found in, at the one
        where that is highest; 0 without any."""
        return max(
            (count / max(count, traces_of[root]) for root, count in self.roots.items()), default=0.0
        )

    def settled_severity(self, traces_of: Counter[Root]) -> str:
        """Its severity, lowered to info when hardly any trace shows it: a pattern in fewer than
        two traces and in fewer than three in a hundred of an operation is a coincidence."""
        is_rare = self.trace_count < FEWEST_TRACES and self.share(traces_of) < SMALLEST_SHARE
        typical = FindingSeverity.INFO.value if is_rare else self.severity
        if self.told is None:
            return typical
        return min(typical, str(self.told.severity), key=severity_rank)
