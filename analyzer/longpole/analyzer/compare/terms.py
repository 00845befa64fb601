"""Splits the difference of two mean durations into terms that add up without a residue.

Both sides have traces of several root operations g. With w the share of g in its side, m the
mean duration of its traces, 0 the base and 1 the head (analysis in the manner of
Kitagawa 1955, the product of factors in that of Shapley 1953):

    m1 - m0 overall = sum over g of
        (w1 - w0) * ((m0 + m1) / 2 - c)      MIX: more traces of slower kinds
      + (w0 + w1) / 2 * (m1 - m0)            within g, split further

`c` is the mean of both overall means: the sum does not depend on it, and it makes the mix term of
a kind positive when it became more frequent and is slower than the rest. Where g is missing on
one side, its mean there counts as the one it has on the other: all of it is mix.

Within g, path times partition durations, so m1 - m0 is the sum over operations of the difference
of their mean path time x. An operation without any span on one side is NEW or GONE with all of
its x. Otherwise, for each `Part`, x = calls * length * share with, per trace,

    calls   mean number of all spans of the operation
    length  own time / calls: how long one takes, on the path or beside it
    share   path time / own time: how much of the work holds the path

and the difference of the product is split among its factors a, b, c as Shapley does:

    of a:  (a1 - a0) * ((b0*c0 + b1*c1) / 3 + (b0*c1 + b1*c0) / 6)

    CALLS        of calls, over all parts: more or fewer calls
    LONGER       of length, part CALL: calls take longer
    BETWEEN, NETWORK, BACKOFF, QUEUE   of length of the other parts: gaps got longer
    PARALLELISM  of share, over all parts: the work grew no longer, but less of it is beside the
                 path (lost parallelism), or more (negative)

Everything is rational; within one operation the largest term takes what rounding the others to
2^-20 ns leaves, which keeps denominators small and the sum exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from longpole.analyzer.compare.sample import PARTS, Operation, Part, Sample

_LATTICE = 1 << 20
ONE_HALF = Fraction(1, 2)


class TermKind(StrEnum):
    """What changed; see the module for each formula."""

    LONGER = "longer_calls"
    CALLS = "more_calls"
    NEW = "new_calls"
    GONE = "gone_calls"
    PARALLELISM = "lost_parallelism"
    BETWEEN = "gap_between_calls"
    NETWORK = "gap_network"
    BACKOFF = "gap_backoff"
    QUEUE = "gap_queue"
    MIX = "mix"


OF_LENGTH = {
    Part.CALL: TermKind.LONGER,
    Part.BETWEEN: TermKind.BETWEEN,
    Part.NETWORK: TermKind.NETWORK,
    Part.BACKOFF: TermKind.BACKOFF,
    Part.QUEUE: TermKind.QUEUE,
}


@dataclass(frozen=True, slots=True)
class Term:
    """Part of a difference, in nanoseconds. The operation of a MIX term is the root's."""

    kind: TermKind
    operation: Operation
    difference_ns: Fraction


@dataclass(frozen=True, slots=True)
class Totals:
    """One operation in the traces of one root operation on one side, summed."""

    calls: int
    path: tuple[int, ...]
    own: tuple[int, ...]


NOTHING = Totals(0, (0,) * PARTS, (0,) * PARTS)


@dataclass(frozen=True, slots=True)
class SideTotals:
    """Sums over a side: traces and nanoseconds of each root operation, and its operations."""

    traces: Mapping[int, int]
    duration_ns: Mapping[int, int]
    operations: Mapping[int, Mapping[int, Totals]]

    @property
    def mean_ns(self) -> Fraction:
        """Mean duration; 0 without traces."""
        count = sum(self.traces.values())
        return Fraction(sum(self.duration_ns.values()), count) if count else Fraction(0)


def side_totals(sample: Sample) -> SideTotals:
    """Exact sums, however long the traces are."""
    traces: dict[int, int] = defaultdict(int)
    durations: dict[int, int] = defaultdict(int)
    roots = sample.root.tolist()
    for root, duration in zip(roots, sample.duration_ns.tolist(), strict=True):
        traces[root] += 1
        durations[root] += duration
    sums: dict[int, dict[int, list[int]]] = defaultdict(dict)
    width = 2 * PARTS + 1
    rows = zip(
        sample.trace.tolist(),
        sample.operation.tolist(),
        sample.calls.tolist(),
        sample.path.tolist(),
        sample.own.tolist(),
        strict=True,
    )
    for trace, operation, calls, path, own in rows:
        known = sums[roots[trace]].setdefault(operation, [0] * width)
        for place, value in enumerate((calls, *path, *own)):
            known[place] += value
    return SideTotals(
        dict(traces),
        dict(durations),
        {
            root: {
                operation: Totals(s[0], tuple(s[1 : 1 + PARTS]), tuple(s[1 + PARTS :]))
                for operation, s in of_root.items()
            }
            for root, of_root in sums.items()
        },
    )


def terms(base: SideTotals, head: SideTotals, operations: list[Operation]) -> list[Term]:
    """The terms of head's mean duration minus base's, largest amount first, none of them 0.

    Both sides need a trace. `operations` names the numbers that the totals use.
    """
    counts = [sum(side.traces.values()) for side in (base, head)]
    middle = (base.mean_ns + head.mean_ns) * ONE_HALF
    sums: dict[tuple[TermKind, int], Fraction] = defaultdict(Fraction)
    for root in sorted({*base.traces, *head.traces}):
        n0, n1 = base.traces.get(root, 0), head.traces.get(root, 0)
        w0, w1 = Fraction(n0, counts[0]), Fraction(n1, counts[1])
        m1 = Fraction(head.duration_ns[root], n1) if n1 else None
        m0 = Fraction(base.duration_ns[root], n0) if n0 else m1
        m1 = m0 if m1 is None else m1
        assert m0 is not None
        assert m1 is not None
        sums[TermKind.MIX, root] += (w1 - w0) * ((m0 + m1) * ONE_HALF - middle)
        if not n0 or not n1:
            continue
        weight = (w0 + w1) * ONE_HALF
        before, after = base.operations.get(root, {}), head.operations.get(root, {})
        for operation in sorted({*before, *after}):
            totals = before.get(operation, NOTHING), after.get(operation, NOTHING)
            whole = Fraction(sum(totals[1].path), n1) - Fraction(sum(totals[0].path), n0)
            amounts = _split(totals[0], n0, totals[1], n1)
            for kind, amount in _on_lattice(amounts, float(weight), weight * whole):
                sums[kind, operation] += amount
    found = [
        Term(kind, operations[place], amount) for (kind, place), amount in sums.items() if amount
    ]
    return sorted(found, key=lambda t: (-abs(t.difference_ns), t.operation, t.kind))


def _split(before: Totals, n0: int, after: Totals, n1: int) -> dict[TermKind, float]:
    """The difference of an operation's mean path time by kind, not rounded yet."""
    if not before.calls or not after.calls:
        whole = sum(after.path) / n1 - sum(before.path) / n0
        return {TermKind.GONE if before.calls else TermKind.NEW: whole}
    amounts: dict[TermKind, float] = defaultdict(float)
    a0, a1 = before.calls / n0, after.calls / n1
    for part in Part:
        x0, x1, own0, own1 = before.path[part], after.path[part], before.own[part], after.own[part]
        if not (x0 or x1):
            continue
        b0, b1 = own0 / before.calls, own1 / after.calls
        # A part without any work on one side has no share there; that of the other stands in.
        c1 = x1 / own1 if own1 else None
        c0 = x0 / own0 if own0 else c1 or 0.0
        c1 = c0 if c1 is None else c1
        amounts[TermKind.CALLS] += _of_factor(a0, a1, b0, b1, c0, c1)
        amounts[OF_LENGTH[part]] += _of_factor(b0, b1, a0, a1, c0, c1)
        amounts[TermKind.PARALLELISM] += _of_factor(c0, c1, a0, a1, b0, b1)
    return amounts


def _of_factor(a0: float, a1: float, b0: float, b1: float, c0: float, c1: float) -> float:
    return (a1 - a0) * ((b0 * c0 + b1 * c1) / 3 + (b0 * c1 + b1 * c0) / 6)


def _on_lattice(
    amounts: Mapping[TermKind, float], weight: float, whole: Fraction
) -> Iterable[tuple[TermKind, Fraction]]:
    """The amounts times `weight`, rounded, the largest being what is left of `whole`."""
    if not amounts:
        return
    largest = max(amounts, key=lambda kind: (abs(amounts[kind]), kind))
    left = whole
    for kind, amount in amounts.items():
        if kind is not largest:
            rounded = Fraction(round(amount * weight * _LATTICE), _LATTICE)
            left -= rounded
            yield kind, rounded
    yield largest, left


def whole_nanoseconds(amounts: list[Fraction], total: int) -> list[int]:
    """The amounts as integers that add up to `total`, each off by less than it takes: rounded
    down, then those with the largest remainders get one more."""
    floors = [amount.numerator // amount.denominator for amount in amounts]
    missing = total - sum(floors)
    if not amounts:
        return floors
    order = sorted(range(len(amounts)), key=lambda i: (floors[i] - amounts[i], i))
    each, rest = divmod(missing, len(amounts))
    for rank, place in enumerate(order):
        floors[place] += each + (rank < rest)
    return floors
