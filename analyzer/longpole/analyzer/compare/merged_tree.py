"""Two sides as one tree by call path: how often each chain of calls ran, and what it held.

    base            head               merged                 calls    path time
    GET /           GET /              GET /                  1 → 1    +2 ms
      cart            cart               cart                 1 → 1    +1 ms
        SELECT          SELECT x 48        SELECT             1 → 48   +1.4 s
      ads                                ads        gone      1 → 0    −9 ms

A side is one trace or several; of several every number is the mean of a trace. The critical path
partitions a trace's duration, so the own path times of all nodes are the duration of the mean
trace, and their differences are the whole difference: whole nanoseconds, without a residue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from longpole.analyzer.apportion import apportioned
from longpole.analyzer.call_path import call_path_ids
from longpole.analyzer.explain import Explanation
from longpole.analyzer.intervals import alone_ns
from longpole.model.span import StatusCode

TOP = 0  # the number above a root


@dataclass(slots=True)
class PathSums:
    """One call path over the traces of a side. `critical_ns` is what its own spans hold of the
    critical path, `self_ns` when none of their children ran, `total_ns` their durations."""

    above: int
    service: str
    operation: str
    calls: int = 0
    errors: int = 0
    critical_ns: int = 0
    self_ns: int = 0
    total_ns: int = 0


@dataclass(slots=True)
class SidePaths:
    """The call paths of one side by number, of `traces` traces that take `duration_ns` together."""

    paths: dict[int, PathSums] = field(default_factory=dict)
    traces: int = 0
    duration_ns: int = 0

    def add(self, e: Explanation) -> None:
        """Count one trace; one without spans has no path to count."""
        if e.root < 0:
            return
        self.traces += 1
        self.duration_ns += e.duration_ns
        spans, tree = e.spans, e.tree
        ids = call_path_ids(spans, tree, tree.order)
        starts, ends, codes = spans.starts, spans.ends, spans.status_codes
        for index in tree.order:
            sums = self.paths.get(ids[index])
            if sums is None:
                above = tree.parents[index]
                sums = self.paths[ids[index]] = PathSums(
                    ids[above] if above >= 0 else TOP, spans.services[index], spans.names[index]
                )
            start, end = starts[index], ends[index]
            children = [(starts[child], ends[child]) for child in tree.children[index]]
            sums.calls += 1
            sums.errors += codes[index] == StatusCode.ERROR
            sums.critical_ns += e.critical_ns.get(index, 0)
            sums.self_ns += alone_ns(children, start, end)
            sums.total_ns += end - start


@dataclass(frozen=True, slots=True)
class Figures:
    """One call path in the mean trace of a side. `critical_ns` is its own part of the path,
    `inclusive_ns` adds that of everything below."""

    calls: Fraction
    errors: Fraction
    critical_ns: int
    inclusive_ns: int
    self_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class MergedNode:
    """One call path of either side, `depth` steps below its root."""

    number: int
    depth: int
    service: str
    operation: str
    base: Figures
    head: Figures

    @property
    def difference_ns(self) -> int:
        """Head's own part of the path minus base's."""
        return self.head.critical_ns - self.base.critical_ns

    @property
    def inclusive_difference_ns(self) -> int:
        """The same with everything below."""
        return self.head.inclusive_ns - self.base.inclusive_ns


def mean_duration_ns(side: SidePaths) -> int:
    """What the nodes of a side add up to."""
    return round(Fraction(side.duration_ns, side.traces)) if side.traces else 0


def merged_tree(base: SidePaths, head: SidePaths) -> list[MergedNode]:
    """The nodes depth first, those that differ most first among their siblings.

    Over all nodes `difference_ns` adds up to head's mean duration minus base's, and so does
    `inclusive_difference_ns` over those of depth 0. A node's parent is the last one before it of
    a depth one less.
    """
    steps = {**base.paths, **head.paths}
    below: dict[int, list[int]] = {}
    for number, sums in steps.items():
        below.setdefault(sums.above, []).append(number)
    order = list(below.get(TOP, ()))
    for number in order:  # grows while it is walked: parents first, no recursion
        order.extend(below.get(number, ()))
    sides = [_figures(side, order, steps) for side in (base, head)]

    def least_first(numbers: Iterable[int]) -> list[int]:
        def rank(number: int) -> tuple[int, int, str, str, int]:
            before, after = (side[number].inclusive_ns for side in sides)
            step = steps[number]
            larger = max(before, after)
            return -abs(after - before), -larger, step.service, step.operation, number

        return sorted(numbers, key=rank, reverse=True)

    nodes: list[MergedNode] = []
    waiting = [(number, 0) for number in least_first(below.get(TOP, ()))]
    while waiting:
        number, depth = waiting.pop()
        step = steps[number]
        before, after = (side[number] for side in sides)
        nodes.append(MergedNode(number, depth, step.service, step.operation, before, after))
        waiting.extend((child, depth + 1) for child in least_first(below.get(number, ())))
    return nodes


def _figures(
    side: SidePaths, order: Sequence[int], steps: Mapping[int, PathSums]
) -> dict[int, Figures]:
    """Of every call path in `order`, zeros where the side has none."""
    count = max(1, side.traces)
    nothing = PathSums(TOP, "", "")
    sums = [side.paths.get(number, nothing) for number in order]
    own = dict(zip(order, apportioned([Fraction(s.critical_ns, count) for s in sums]), strict=True))
    inclusive = dict(own)
    for number in reversed(order):
        above = steps[number].above
        if above in inclusive:
            inclusive[above] += inclusive[number]
    return {
        number: Figures(
            calls=Fraction(s.calls, count),
            errors=Fraction(s.errors, count),
            critical_ns=own[number],
            inclusive_ns=inclusive[number],
            self_ns=round(Fraction(s.self_ns, count)),
            total_ns=round(Fraction(s.total_ns, count)),
        )
        for number, s in zip(order, sums, strict=True)
    }
