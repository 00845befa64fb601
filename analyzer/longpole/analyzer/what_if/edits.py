"""Edits: changes of operations as columns by span, as `columnar.retiming.retime` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from longpole.analyzer.columnar.retiming import LONGEST_NS, MOST_PARTS, PARTS
from longpole.analyzer.what_if.changes import Change, Kind, Scope
from longpole.analyzer.what_if.timelines import Timelines

Ints: TypeAlias = npt.NDArray[np.int64]
Marks: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Edits:
    """All arrays are by span. `own_parts` scales its gaps and its tail, then `whole_parts` what
    the span takes by then (parts per million); `added` nanoseconds follow (never below 0) and
    the `cap` comes last. `together` is the sibling with which it may begin at the latest (-1:
    none), and where `is_joined`, the gap before it is gone. `is_edited`: its length has to be
    worked out again."""

    is_edited: Ints
    own_parts: Ints
    whole_parts: Ints
    added: Ints
    cap: Ints
    together: Ints
    is_joined: Ints

    def columns(self, lines: Timelines) -> tuple[Ints, ...]:
        """The columns of `retiming.retime` between the tasks and the scratch."""
        return (
            lines.offsets, lines.first, lines.by_start, lines.by_end, lines.absorb, lines.gap,
            lines.tail, lines.base, lines.parents, lines.operations, self.is_edited,
            self.own_parts, self.whole_parts, self.added, self.cap, self.together, self.is_joined,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """What a change is about: `spans` of its operations, `changed` of them (calls that hit the
    cache, siblings that move), and the `traces` that hold them. `own_ns` of their `total_ns` is
    time of their own."""

    spans: int
    changed: int
    traces: int
    own_ns: int
    total_ns: int


def no_edits(lines: Timelines) -> Edits:
    """Edits that change nothing."""
    size = lines.low.size
    return Edits(
        np.zeros(size, np.int64),
        np.full(size, PARTS, np.int64),
        np.full(size, PARTS, np.int64),
        np.zeros(size, np.int64),
        np.full(size, LONGEST_NS, np.int64),
        np.full(size, -1, np.int64),
        np.zeros(size, np.int64),
    )


def edits_of(lines: Timelines, changes: Sequence[Change]) -> tuple[Edits, list[Reach]]:
    """The edits that all these changes make together, and what each reaches. Scales of one span
    multiply, added times add up, and of several caps the lowest counts, so the order of the
    changes does not matter."""
    edits = no_edits(lines)
    reaches = []
    for change in changes:
        codes = [code for code, name in enumerate(lines.operation_names) if change.matches(*name)]
        is_target = np.isin(lines.operations, codes)
        changed = _apply(lines, edits, change, is_target)
        reaches.append(
            Reach(
                int(is_target.sum()),
                int(changed.sum()),
                int(np.unique(lines.traces[is_target]).size),
                int(lines.own[is_target].sum()),
                int(lines.base[is_target].sum()),
            )
        )
    return edits, reaches


def _apply(lines: Timelines, edits: Edits, change: Change, is_target: Marks) -> Marks:
    """Write one change into `edits`; the spans that it changes."""
    if change.kind is Kind.SCALE and change.scope is Scope.OWN:
        _multiply(edits.own_parts, is_target, change.amount)
        changed = is_target
    elif change.kind is Kind.SCALE:
        # A call within a call of the same change has shrunk with it already.
        changed = _outermost(lines, is_target)
        _multiply(edits.whole_parts, changed, change.amount)
    elif change.kind is Kind.ADD:
        edits.added[is_target] = np.clip(
            edits.added[is_target] + change.amount, -LONGEST_NS, LONGEST_NS
        )
        changed = is_target
    elif change.kind is Kind.CAP and change.scope is Scope.OWN:
        changed = is_target & (lines.own > change.amount)
        parts = [
            change.amount * PARTS // own for own in lines.own[changed].tolist()
        ]  # Python's integers: the product may need more than 64 bits
        edits.own_parts[changed] = edits.own_parts[changed] * np.array(parts, np.int64) // PARTS
    elif change.kind is Kind.CAP:
        edits.cap[is_target] = np.minimum(edits.cap[is_target], change.amount)
        changed = is_target & (lines.base > change.amount)
    elif change.kind is Kind.CACHED:
        changed = is_target & (_lots(lines) < change.amount)
        edits.whole_parts[changed] = 0
    else:
        changed = _join(lines, edits, is_target, change.kind)
    edits.is_edited[is_target] = 1
    return changed


def _multiply(parts: Ints, which: Marks, amount: int) -> None:
    parts[which] = np.minimum(parts[which] * amount // PARTS, MOST_PARTS)


def _outermost(lines: Timelines, is_target: Marks) -> Marks:
    """The targets that are not below another one."""
    targets, parents = is_target.tolist(), lines.parents.tolist()
    within = [False] * len(targets)
    found = np.zeros(len(targets), np.bool_)
    for span, parent in enumerate(parents):  # parents come before their children
        if parent >= 0:
            within[span] = within[parent] or targets[parent]
        found[span] = targets[span] and not within[span]
    return found


def _lots(lines: Timelines) -> Ints:
    """A number from 0 to a million for each span, made of its ids: the same span draws the same
    lot whenever it is asked about, and a higher hit rate adds hits and takes none away."""
    traces = np.array([trace_id & (1 << 64) - 1 for trace_id in lines.trace_ids], np.uint64)
    mixed = traces[lines.traces] ^ (lines.span_ids * np.uint64(0x9E3779B97F4A7C15))
    # The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit depends on every other.
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    lots: Ints = (mixed % np.uint64(PARTS)).astype(np.int64)
    return lots


def _join(lines: Timelines, edits: Edits, is_target: Marks, kind: Kind) -> Marks:
    """Targets with the same parent: in parallel they begin with the first of them; once means
    that only the last takes time, and that the pauses between them are gone."""
    places = np.flatnonzero(is_target[lines.by_start])
    siblings = lines.by_start[places]
    owners = lines.parents[siblings]
    changed = np.zeros(is_target.size, np.bool_)
    if not siblings.size:
        return changed
    borders = np.flatnonzero(owners[1:] != owners[:-1]) + 1
    begins = np.concatenate([[0], borders])
    ends = np.concatenate([borders, [siblings.size]])
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin < 2:
            continue
        group = siblings[begin:end]
        if kind is Kind.PARALLEL:
            for sibling in group[1:].tolist():
                known = int(edits.together[sibling])
                if known < 0 or lines.place_of[group[0]] < lines.place_of[known]:
                    edits.together[sibling] = group[0]
            changed[group[1:]] = True
        else:
            edits.is_joined[group[1:]] = 1
            edits.whole_parts[group[:-1]] = 0
            changed[group[:-1]] = True
        edits.is_edited[owners[begin]] = 1
    return changed
