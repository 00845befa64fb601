"""How the spans of many traces hang together: parents, levels, siblings, nested-set numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from longpole.analyzer.traceql.columns import Ints, Mask, Rows


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """`parents` is the row of the parent of each row, -1 without one in the trace. `levels` are the
    rows by depth, roots first; rows that hang on a cycle are in none. `is_root` are the rows that
    name no parent at all. `siblings` numbers rows by their parent, -1 for roots."""

    parents: Rows
    levels: tuple[Rows, ...]
    is_root: Mask
    siblings: Ints

    def under(self, chosen: Mask) -> Mask:
        """Rows with an ancestor among the chosen ones."""
        found = np.zeros(len(chosen), np.bool_)
        for rows in self.levels[1:]:
            above = self.parents[rows]
            found[rows] = chosen[above] | found[above]
        return found

    def over(self, chosen: Mask) -> Mask:
        """Rows with a descendant among the chosen ones."""
        found = np.zeros(len(chosen), np.bool_)
        for rows in reversed(self.levels[1:]):
            found[self.parents[rows[chosen[rows] | found[rows]]]] = True
        return found

    def children_of(self, chosen: Mask) -> Mask:
        """Rows whose parent is among the chosen ones."""
        return (self.parents >= 0) & chosen[np.maximum(self.parents, 0)]

    def parents_of(self, chosen: Mask) -> Mask:
        """Rows that are the parent of a chosen one."""
        found = np.zeros(len(chosen), np.bool_)
        above = self.parents[chosen]
        found[above[above >= 0]] = True
        return found

    def beside(self, chosen: Mask) -> Mask:
        """Rows of which another child of the same parent is among the chosen ones."""
        has_any = self.siblings >= 0
        counts = np.bincount(
            self.siblings[chosen & has_any], minlength=int(self.siblings.max(initial=-1)) + 1
        )
        if not len(counts):
            return np.zeros(len(chosen), np.bool_)
        others = counts[np.maximum(self.siblings, 0)] - chosen
        return has_any & (others > 0)

    def child_counts(self) -> Ints:
        """How many children each row has."""
        known = self.parents[self.parents >= 0]
        return np.bincount(known, minlength=len(self.parents)).astype(np.int64)

    def nested_sets(self, trace_of: Rows, start_ns: Ints) -> tuple[Ints, Ints, Ints]:
        """Left, right and parent's left of each row, from a depth-first walk of each trace.

        Counted from 1 in each trace; children by start. The parent of a root is -1; of a span whose
        parent is missing 0, as are all three for rows on a cycle.
        """
        size = np.zeros(len(self.parents), np.int64)
        for rows in self.levels:
            size[rows] = 1
        for rows in reversed(self.levels[1:]):
            np.add.at(size, self.parents[rows], size[rows])
        left = np.zeros(len(self.parents), np.int64)
        for depth, rows in enumerate(self.levels):
            owner = trace_of[rows] if depth == 0 else self.parents[rows]
            order = rows[np.lexsort((rows, start_ns[rows], owner))]
            owner = trace_of[order] if depth == 0 else self.parents[order]
            before = np.cumsum(2 * size[order]) - 2 * size[order]
            is_first = np.append(True, owner[1:] != owner[:-1])[: len(order)]
            offset = before[is_first][np.cumsum(is_first) - 1]
            begin = np.zeros(len(order), np.int64) if depth == 0 else left[owner]
            left[order] = begin + 1 + before - offset
        right = np.where(size > 0, left + 2 * size - 1, 0)
        parent = np.where(self.parents >= 0, left[np.maximum(self.parents, 0)], 0)
        return left, right, np.where(self.is_root, -1, np.where(size > 0, parent, 0))


def structure_of(
    trace_of: Rows, span_ids: npt.NDArray[np.uint64], parent_ids: npt.NDArray[np.uint64]
) -> Structure:
    """The structure of spans that are sorted by trace. Of several spans with the same id the first
    one is the parent; nothing is its own parent."""
    rows = len(span_ids)
    # Ids as small numbers, so that a trace and an id make one number to search for.
    distinct, numbers = np.unique(np.concatenate([span_ids, parent_ids]), return_inverse=True)
    numbers = numbers.reshape(-1).astype(np.int64)
    base = trace_of * np.int64(len(distinct))
    own, wanted = base + numbers[:rows], base + numbers[rows:]
    keys, firsts = np.unique(own, return_index=True)
    places = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    is_root = parent_ids == 0
    is_known = ~is_root & (keys[places] == wanted) if rows else is_root
    parents = np.where(is_known, firsts[places], -1) if rows else np.zeros(0, np.int64)
    parents = np.where(parents == np.arange(rows), -1, parents).astype(np.int64)
    _, siblings = np.unique(wanted, return_inverse=True)
    siblings = np.where(is_root, -1, siblings.reshape(-1)).astype(np.int64)
    return Structure(parents, _levels(parents), is_root, siblings)


def _levels(parents: Rows) -> tuple[Rows, ...]:
    levels = []
    rows = np.flatnonzero(parents < 0)
    order = np.argsort(parents, kind="stable")
    sorted_parents = parents[order]
    while len(rows):
        levels.append(rows)
        begin = np.searchsorted(sorted_parents, rows, "left")
        counts = np.searchsorted(sorted_parents, rows, "right") - begin
        total = int(counts.sum())
        offsets = np.repeat(begin - (np.cumsum(counts) - counts), counts)
        rows = order[offsets + np.arange(total)] if total else np.zeros(0, np.int64)
    return tuple(levels)
