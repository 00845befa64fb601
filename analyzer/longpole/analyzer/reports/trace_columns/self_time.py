"""Self time: how long each span runs while none of its children does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def self_times(starts: Ints, ends: Ints, parents: Ints) -> Ints:
    """By row, from times and parents in preorder; the part of a child outside of its parent does
    not count, time under several children counts once."""
    begin, end = starts.tolist(), ends.tolist()
    covered = [0] * len(begin)
    reached = list(begin)
    # Siblings come by start, so the union of their intervals grows to the right.
    for parent, start, stop in zip(parents.tolist(), begin, end, strict=True):
        if parent < 0:
            continue
        if stop > end[parent]:
            stop = end[parent]
        if start < reached[parent]:
            start = reached[parent]
        if stop > start:
            covered[parent] += stop - start
            reached[parent] = stop
    return ends - starts - np.array(covered, np.int64)
