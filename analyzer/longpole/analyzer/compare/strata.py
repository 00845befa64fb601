"""Kinds of traces within which two sides are compared: by root operation, finer where it helps.

Traces of one root operation that make other calls (a cache hit, a refused card) take other times.
Telling them apart removes that spread from the tests. It is done only where both sides have the
shapes equally often: a new shape is itself a change, and must not hide in a stratum of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from longpole.analyzer.compare.ranks import Bools, Ints, Pooled, chi_square_tail
from longpole.analyzer.compare.sample import Sample

# A shape counts apart when so many traces of both sides together have it.
FEWEST_OF_SHAPE = 20
FEWEST_EXPECTED = 8
# Shares of shapes that differ more than chance gives in one of 100 cases are not told apart.
SAME_SHARES_P = 0.01


def shapes(sample: Sample) -> list[frozenset[int]]:
    """The set of operations of every trace."""
    found: list[set[int]] = [set() for _ in range(len(sample))]
    for trace, operation in zip(sample.trace.tolist(), sample.operation.tolist(), strict=True):
        found[trace].add(operation)
    return [frozenset(one) for one in found]


def pooled_traces(base: Sample, head: Sample) -> Pooled:
    """Both sides, base first, with their strata."""
    roots = [*base.root.tolist(), *head.root.tolist()]
    of_trace = [*shapes(base), *shapes(head)]
    is_head = np.arange(len(roots)) >= len(base)
    of_root: dict[int, list[int]] = defaultdict(list)
    for place, root in enumerate(roots):
        of_root[root].append(place)
    stratum: Ints = np.zeros(len(roots), np.int64)
    number = 0
    for root in sorted(of_root):
        places = of_root[root]
        common = Counter(of_trace[place] for place in places)
        kept = {shape for shape, count in common.items() if count >= FEWEST_OF_SHAPE}
        numbers = {shape: n for n, shape in enumerate(sorted(kept, key=sorted), 1)}
        codes = np.array([numbers.get(of_trace[place], 0) for place in places])
        if not _is_alike(codes, is_head[places]):
            codes[:] = 0
        stratum[places] = number + codes
        number += len(numbers) + 1
    _, dense = np.unique(stratum, return_inverse=True)
    return Pooled(is_head, dense.astype(np.int64))


def _is_alike(codes: Ints, is_head: Bools) -> bool:
    return difference_of_shares(codes, is_head) > SAME_SHARES_P


def difference_of_shares(codes: Ints, is_head: Bools) -> float:
    """The p-value of kinds being equally frequent on both sides (chi-square; kinds that are too
    rare for it count as one)."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    heads, n = int(is_head.sum()), int(codes.size)
    if not 0 < heads < n:
        return 1.0
    smaller = min(heads, n - heads)
    is_rare = counts * smaller / n < FEWEST_EXPECTED
    merged = np.where(is_rare, counts.size, np.arange(counts.size))[inverse]
    _, merged, sizes = np.unique(merged, return_inverse=True, return_counts=True)
    expected = sizes * heads / n
    seen = np.bincount(merged[is_head], minlength=sizes.size)
    terms = (seen - expected) ** 2 * (1 / expected + 1 / (sizes - expected))
    return chi_square_tail(float(terms.sum()), sizes.size - 1)
