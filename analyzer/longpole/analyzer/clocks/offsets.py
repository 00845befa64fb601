"""Offsets: one correction for each clock, from what pairs of hosts say of their difference.

Every pair (a, b) bounds the difference of two corrections: low <= offset(b) - offset(a) <= high.
Those are difference constraints: they have a solution exactly if no cycle of hosts contradicts
itself, and bounds follow along shortest paths (Cormen et al., Introduction to Algorithms, 22.4).
Of all solutions the one is taken that leaves most clocks alone: hosts are fixed one by one, those
that agree with most others first, each as near to 0 as what is fixed already allows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TypeAlias

from longpole.analyzer.clock_shift import Clocks, ClockShift

Pair: TypeAlias = tuple[str, str]
# target -> most that its offset may be above that of the source
_Bounds: TypeAlias = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class PairInterval:
    """What `calls` calls from one host to another allow to be added to the clock of the called
    one; an interval that holds 0 says that the two clocks agree."""

    low_ns: int
    high_ns: int
    calls: int

    @property
    def agrees(self) -> bool:
        """Whether no correction is needed."""
        return self.low_ns <= 0 <= self.high_ns


def offsets(pairs: Mapping[Pair, PairInterval]) -> Clocks:
    """One offset for each host whose clock is off. Low bounds must not exceed high ones. Where
    a cycle of pairs contradicts itself, its pairs are left out and called unsteady."""
    shifts: list[ClockShift] = []
    unsteady: set[Pair] = set()
    for group in _groups(pairs):
        if all(interval.agrees for interval in group.values()):
            continue
        while cycle := _contradiction(group):
            unsteady |= cycle
            group = {pair: i for pair, i in group.items() if pair not in cycle}
        for part in _groups(group):
            if not all(interval.agrees for interval in part.values()):
                shifts += _nearest(part)
    return Clocks(tuple(sorted(shifts, key=lambda s: s.host)), tuple(sorted(unsteady)))


def _groups(pairs: Mapping[Pair, PairInterval]) -> list[dict[Pair, PairInterval]]:
    """The pairs that hang together, in a fixed order."""
    head: dict[str, str] = {}

    def find(host: str) -> str:
        head.setdefault(host, host)
        while head[host] != host:
            head[host] = head[head[host]]
            host = head[host]
        return host

    for a, b in sorted(pairs):
        head[find(b)] = find(a)
    found: dict[str, dict[Pair, PairInterval]] = {}
    for pair in sorted(pairs):
        found.setdefault(find(pair[0]), {})[pair] = pairs[pair]
    return list(found.values())


def _bounds(pairs: Mapping[Pair, PairInterval]) -> _Bounds:
    """`bounds[a][b]`: the offset of b is at most so far above that of a."""
    bounds: _Bounds = {}
    for (a, b), interval in pairs.items():
        for source, target, most in ((a, b, interval.high_ns), (b, a, -interval.low_ns)):
            known = bounds.setdefault(source, {})
            known[target] = min(most, known.get(target, most))
    return bounds


def _contradiction(pairs: Mapping[Pair, PairInterval]) -> set[Pair]:
    """The pairs along one cycle whose bounds add up to less than nothing; empty if none does.

    Bellman and Ford with a queue, from a source that is at distance 0 from every host.
    """
    bounds = _bounds(pairs)
    distance = dict.fromkeys(bounds, 0)
    before: dict[str, str] = {}
    length = dict.fromkeys(bounds, 0)  # hosts on the shortest path so far
    queue, waiting = deque(bounds), set(bounds)
    while queue:
        host = queue.popleft()
        waiting.discard(host)
        for target, most in bounds[host].items():
            if distance[host] + most >= distance[target]:
                continue
            distance[target] = distance[host] + most
            before[target] = host
            length[target] = length[host] + 1
            if length[target] >= len(bounds):
                cycle, length[target] = _way_back(before, target)
                if cycle:
                    return {pair for a, b in cycle for pair in ((a, b), (b, a)) if pair in pairs}
            if target not in waiting:
                waiting.add(target)
                queue.append(target)
    return set()


def _way_back(before: Mapping[str, str], host: str) -> tuple[list[Pair], int]:
    """The steps of the cycle that leads to `host`, none if it has a beginning; how long the way
    is then."""
    place: dict[str, int] = {}
    way: list[str] = []
    at: str | None = host
    while at is not None:
        if at in place:
            cycle = way[place[at] :]
            return list(zip([*cycle[1:], at], cycle, strict=True)), 0
        place[at] = len(way)
        way.append(at)
        at = before.get(at)
    return [], len(way) - 1


def _nearest(pairs: Mapping[Pair, PairInterval]) -> list[ClockShift]:
    """The hosts of one group that have to be corrected."""
    bounds = _bounds(pairs)
    calls, agreeing = _evidence(pairs)
    balance = dict.fromkeys(bounds, 0)  # those who call know best when they did
    for (a, b), interval in pairs.items():
        balance[a] += interval.calls
        balance[b] -= interval.calls

    def standing(host: str) -> tuple[int, int, str]:
        return -len(agreeing[host]), -balance[host], host

    least: dict[str, int] = {}
    most: dict[str, int] = {}
    fixed: dict[str, int] = {}
    found: list[ClockShift] = []
    # Next to what is fixed, first those that agree with some of it: they share its clock.
    reached = [(True, standing(min(bounds, key=standing)))]
    while reached:
        host = heappop(reached)[1][-1]
        if host in fixed:
            continue
        low, high = least.get(host), most.get(host)
        offset = _chosen(low, high, [fixed[o] for o in agreeing[host] if o in fixed])
        fixed[host] = offset
        for other in bounds[host]:
            if other not in fixed:
                heappush(reached, (other not in agreeing[host], standing(other)))
        if offset and low is not None and high is not None:
            found.append(ClockShift(host, offset, low, high, calls[host]))
        most[host] = least[host] = offset
        _tighten(most, bounds, host, 1)
        _tighten(least, bounds, host, -1)
    return found


def _evidence(
    pairs: Mapping[Pair, PairInterval],
) -> tuple[dict[str, int], dict[str, set[str]]]:
    """How many calls speak of each host, and with which others it agrees."""
    calls: dict[str, int] = {}
    agreeing: dict[str, set[str]] = {}
    clashing = {pair for pair, interval in pairs.items() if not interval.agrees}
    for (a, b), interval in pairs.items():
        for host, other in ((a, b), (b, a)):
            calls[host] = calls.get(host, 0) + interval.calls
            known = agreeing.setdefault(host, set())
            if (a, b) not in clashing and (b, a) not in clashing:
                known.add(other)
    return calls, agreeing


def _chosen(low: int | None, high: int | None, neighbours: Iterable[int]) -> int:
    """The offset nearest to 0, but that of a neighbour that it agrees with if it may have it."""
    if low is None or high is None:
        return 0
    shared = [offset for offset in neighbours if low <= offset <= high]
    if shared:
        return min(shared, key=lambda offset: (abs(offset), offset))
    return min(max(0, low), high)


def _tighten(limits: dict[str, int], bounds: _Bounds, host: str, sign: int) -> None:
    """Carry a fixed offset on along the bounds: upper limits with sign 1, lower ones with -1."""
    queue = deque([host])
    while queue:
        at = queue.popleft()
        for target in bounds[at]:
            # A lower limit of the target comes from how far `at` may be above it.
            step = bounds[at][target] if sign > 0 else bounds[target][at]
            limit = limits[at] + sign * step
            known = limits.get(target)
            if known is None or sign * limit < sign * known:
                limits[target] = limit
                queue.append(target)
