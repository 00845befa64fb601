"""Which groups make root durations vary, in shares that add up to one.

Root duration R is the sum of the path times x of all groups, trace by trace, so

    Var(R) = sum over groups of Cov(x, R)          share = Cov(x, R) / Var(R)

exactly. A share above zero makes slow traces slower; one below zero belongs to a group that has
less time in slow traces. Part of the variance is there because root operations differ; the rest,
`within`, is what traces of one root operation differ by (law of total covariance). All sums are
integers that merge in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt
from operator import mul

import numpy as np

from longpole.analyzer.path_aggregate import Group
from longpole.analyzer.times_by_trace import Cells, TimesByTrace

Root = tuple[str, str]


@dataclass(slots=True)
class Sums:
    """Of one quantity x over traces of root duration R: the sums of x and of x times R."""

    total: int = 0
    product: int = 0

    def add(self, other: Sums) -> None:
        self.total += other.total
        self.product += other.product


@dataclass(slots=True)
class Moments:
    """The sums behind variances, by root operation; `roots` has those of R itself."""

    counts: dict[Root, int] = field(default_factory=dict)
    roots: dict[Root, Sums] = field(default_factory=dict)
    groups: dict[Group, dict[Root, Sums]] = field(default_factory=dict)

    def merge(self, other: Moments) -> None:
        """Add those of other traces."""
        for root, count in other.counts.items():
            self.counts[root] = self.counts.get(root, 0) + count
        for root, sums in other.roots.items():
            self.roots.setdefault(root, Sums()).add(sums)
        for group, by_root in other.groups.items():
            known = self.groups.setdefault(group, {})
            for root, sums in by_root.items():
                known.setdefault(root, Sums()).add(sums)


@dataclass(frozen=True, slots=True)
class Share:
    """A group's part of the variance of root durations, and how much of it is variance among
    traces of the same root operation. Zero if root durations do not vary."""

    share: Fraction = Fraction(0)
    within: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Variance:
    """`variance` in square nanoseconds (of the population), `deviation_ns` its root rounded
    down, `within` the share of variance within root operations; the shares of all groups add up
    to one, their `within` to that one."""

    trace_count: int
    variance: Fraction
    deviation_ns: int
    within: Fraction
    groups: dict[Group, Share]


def moments_of(times: TimesByTrace) -> Moments:
    """The sums over these traces."""
    moments = Moments()
    numbers: dict[Root, int] = {}
    codes = np.array([numbers.setdefault(root, len(numbers)) for root in times.roots], np.int64)
    durations = np.array(times.durations_ns, np.int64)
    names = list(numbers)
    whole = Cells()
    whole.places.extend(range(len(times.roots)))
    whole.critical_ns.extend(times.durations_ns)
    for number, sums, count in _sums_by_root(whole, codes, durations):
        moments.counts[names[number]] = count
        moments.roots[names[number]] = sums
    for group, cells in times.groups.items():
        moments.groups[group] = {
            names[number]: sums for number, sums, _ in _sums_by_root(cells, codes, durations)
        }
    return moments


def _sums_by_root(
    cells: Cells, codes: np.ndarray, durations: np.ndarray
) -> Iterator[tuple[int, Sums, int]]:
    if not cells.places:
        return
    places = np.frombuffer(cells.places, np.int64)
    own = codes[places]
    order = np.argsort(own, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(own[order])) + 1):
        # Lists of Python integers: products of nanoseconds leave 64 bits at once.
        times = np.frombuffer(cells.critical_ns, np.int64)[rows].tolist()
        products = map(mul, times, durations[places[rows]].tolist())
        yield int(own[rows[0]]), Sums(sum(times), sum(products)), len(rows)


def variance_of(moments: Moments) -> Variance:
    """Shares of the variance, from sums alone."""
    count = sum(moments.counts.values())
    if not count:
        return Variance(0, Fraction(0), 0, Fraction(0), {})
    mean = Fraction(sum(sums.total for sums in moments.roots.values()), count)
    means = {root: Fraction(s.total, moments.counts[root]) for root, s in moments.roots.items()}

    def covariances(by_root: dict[Root, Sums]) -> tuple[Fraction, Fraction]:
        products = sum(sums.product for sums in by_root.values())
        total = products - mean * sum(sums.total for sums in by_root.values())
        within = products - sum(
            (means[root] * sums.total for root, sums in by_root.items()), Fraction(0)
        )
        return total / count, within / count

    variance, within = covariances(moments.roots)
    shares: dict[Group, Share] = {}
    for group, by_root in moments.groups.items():
        if variance:
            own, own_within = covariances(by_root)
            shares[group] = Share(own / variance, own_within / variance)
        else:
            shares[group] = Share()
    return Variance(
        count,
        variance,
        isqrt(variance.numerator // variance.denominator),
        within / variance if variance else Fraction(0),
        shares,
    )
