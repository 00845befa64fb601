"""Preorder: all spans in the order in which a tree is read from top to bottom.

Rows are places in that order: the primary tree first, then the others by start; siblings by start.
A span's descendants are the `subtree - 1` rows after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.analyzer.explain import Explanation

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Preorder:
    """`indices[row]` is the span of a row and `rows[index]` the way back. By row: `parents` (a
    row, -1 for roots), `depths`, and `subtrees`, how many spans hang on it, itself included."""

    indices: Ints
    rows: Ints
    parents: Ints
    depths: Ints
    subtrees: Ints


def preorder(explanation: Explanation) -> Preorder:
    """The preorder of every tree of the trace; three passes, no recursion."""
    e, tree = explanation, explanation.tree
    count = len(e.spans)
    parents, order = tree.parents, tree.order
    subtrees = [1] * count
    for index in reversed(order):
        parent = parents[index]
        if parent >= 0:
            subtrees[parent] += subtrees[index]
    before = _before(e, np.array(subtrees, np.int64)).tolist()
    rows, depths = [0] * count, [0] * count
    for index in order:
        parent = parents[index]
        if parent >= 0:
            rows[index] = rows[parent] + 1 + before[index]
            depths[index] = depths[parent] + 1
        else:
            rows[index] = before[index]
    row_of = np.array(rows, np.int64)
    indices = np.empty(count, np.int64)
    indices[row_of] = np.arange(count)
    above = np.array(parents, np.int64)[indices]
    return Preorder(
        indices,
        row_of,
        np.where(above >= 0, row_of[above], -1) if count else above,
        np.array(depths, np.int64)[indices],
        np.array(subtrees, np.int64)[indices],
    )


def _before(e: Explanation, subtrees: Ints) -> Ints:
    """How many spans the earlier siblings of each span have below them, they included. Roots are
    siblings of each other, the primary one first."""
    count = subtrees.size
    parents = np.array(e.tree.parents, np.int64)
    try:
        starts = np.array(e.spans.starts, np.int64)
    except OverflowError:  # times at the ends of 64 bits, moved by a clock
        ranked = {start: rank for rank, start in enumerate(sorted(set(e.spans.starts)))}
        starts = np.array([ranked[start] for start in e.spans.starts], np.int64)
    is_later = np.ones(count, np.bool_)
    if e.root >= 0:
        is_later[e.root] = False
    order = np.lexsort((starts, is_later & (parents < 0), parents))
    sizes = subtrees[order]
    running = np.cumsum(sizes) - sizes
    families = parents[order]
    is_first = np.append(True, families[1:] != families[:-1])[:count]
    begins = np.maximum.accumulate(np.where(is_first, np.arange(count), 0))
    before = np.empty(count, np.int64)
    before[order] = running - running[begins] if count else running
    return before
