"""Sums of path time over many traces: exact integers that merge in any order and grouping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.explain import Explanation
from longpole.analyzer.labels import PathSegment
from longpole.storage.ports import PATH_GROUP_COLUMNS, PathTotals

Group: TypeAlias = tuple[str | int | None, ...]
_Column: TypeAlias = Callable[[PathSegment], str | int | None]


def _call_path_id(explanation: Explanation) -> _Column:
    e = explanation
    chains = call_path_ids(e.spans, e.tree, e.path.visited)
    return lambda s: chains[s.span]


_COLUMN: dict[str, Callable[[Explanation], _Column]] = {
    "service": lambda e: lambda s: e.spans.services[s.span],
    "operation": lambda e: lambda s: e.spans.names[s.span],
    "label": lambda e: lambda s: str(s.label),
    "peer_service": lambda e: lambda s: s.peer,
    "root_service": lambda e: lambda s: e.spans.services[e.root],
    "root_operation": lambda e: lambda s: e.spans.names[e.root],
    "call_path_id": _call_path_id,
}


@dataclass(slots=True)
class GroupTotal:
    """Path time of one group in nanoseconds, with its segments and the traces that have any."""

    critical_ns: int = 0
    segment_count: int = 0
    trace_count: int = 0


@dataclass(slots=True)
class PathAggregate:
    """Path time by group, and the root durations it adds up to.

    Merging is associative and commutative as long as no trace is in both parts, which is what
    lets settled rows, unsettled traces and shards be added together. The sum of all
    `critical_ns` equals the sum of `root_durations_ns`.
    """

    group_by: tuple[str, ...]
    groups: dict[Group, GroupTotal] = field(default_factory=dict)
    root_durations_ns: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        unknown = [name for name in self.group_by if name not in PATH_GROUP_COLUMNS]
        if unknown:
            allowed = ", ".join(PATH_GROUP_COLUMNS)
            raise ValueError(f"cannot group by {unknown[0]!r}: choose from {allowed}")

    def add(self, explanation: Explanation) -> None:
        """Add the primary path of one trace."""
        if explanation.root < 0:
            return
        columns = [_COLUMN[name](explanation) for name in self.group_by]
        seen: set[Group] = set()
        for segment in explanation.segments:
            group = tuple(column(segment) for column in columns)
            total = self.groups.setdefault(group, GroupTotal())
            total.critical_ns += segment.end_unix_nano - segment.start_unix_nano
            total.segment_count += 1
            if group not in seen:
                seen.add(group)
                total.trace_count += 1
        self.root_durations_ns.append(explanation.duration_ns)

    def add_totals(self, totals: PathTotals) -> None:
        """Add what storage worked out from derived rows under the same grouping."""
        for row in totals.groups.to_pylist():
            self._add_group(
                tuple(row[name] for name in self.group_by),
                GroupTotal(row["critical_ns"], row["segment_count"], row["trace_count"]),
            )
        if totals.root_durations_ns is not None:
            self.root_durations_ns.extend(totals.root_durations_ns.to_pylist())

    def merge(self, other: PathAggregate) -> None:
        """Add everything of another aggregate with the same grouping."""
        if other.group_by != self.group_by:
            raise ValueError("aggregates with different groupings cannot be merged")
        for group, total in other.groups.items():
            self._add_group(group, total)
        self.root_durations_ns.extend(other.root_durations_ns)

    def ranked(self) -> list[tuple[Group, GroupTotal]]:
        """Most time first, ties by group, so that the order never depends on arrival."""
        return sorted(
            self.groups.items(),
            key=lambda item: (-item[1].critical_ns, by_name(item[0])),
        )

    def _add_group(self, group: Group, more: GroupTotal) -> None:
        total = self.groups.setdefault(group, GroupTotal())
        total.critical_ns += more.critical_ns
        total.segment_count += more.segment_count
        total.trace_count += more.trace_count


def by_name(group: Group) -> list[tuple[bool, Any]]:
    """What sorts groups by their words, those without a word last."""
    return [(v is None, "" if v is None else v) for v in group]


def merged(parts: Iterable[PathAggregate], group_by: Sequence[str]) -> PathAggregate:
    """One aggregate of many; the parts stay as they are."""
    whole = PathAggregate(tuple(group_by))
    for part in parts:
        whole.merge(part)
    return whole


def root_statistics(durations_ns: Iterable[int]) -> dict[str, Any]:
    """Count, sum and nearest-rank percentiles of root durations; None without traces."""
    ordered = sorted(durations_ns)
    return {
        "trace_count": len(ordered),
        "duration_sum_ns": sum(ordered),
        "p50_ns": _nearest_rank(ordered, 50),
        "p95_ns": _nearest_rank(ordered, 95),
        "p99_ns": _nearest_rank(ordered, 99),
        "max_ns": ordered[-1] if ordered else None,
    }


def _nearest_rank(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that at least `percent` of them do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None
