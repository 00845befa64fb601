"""Which attributes explain a change of an operation's path time, in milliseconds.

A predicate P (`key = value`, or `key >= number`) parts the traces of each side into those where it
holds and the others. Had the former behaved like the others, the mean path time of the operation
would have changed by what it changed among the others; the rest is what P explains:

    explained(P) = (m1 - m0) - (m1 - m0 among traces without P)

This equals a1 - a0 with, on each side, a = share of traces with P * (their mean - the others').
So a value that was slow before and is as frequent and as slow now explains nothing, and one that
became more frequent, or slower, explains what it added. Its complement explains as much; named is
the one that is slower than the rest (after an increase in head, before a decrease in base). Of
predicates that hold within each other and explain about as much, the surest is named. The others
must have traces on both sides.

Whether it is more than chance is asked of ranks: shuffling which traces P holds for, within each
side, has a known variance (Wilcoxon's). All predicates together hold the share of false claims
(Benjamini and Hochberg). Those that hold for nearly the same traces are one line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longpole.analyzer.compare.ranks import (
    Bools,
    Floats,
    benjamini_hochberg,
    midranks,
    two_sided,
)

FALSE_CLAIMS = 0.01
# Traces of one side in which a predicate holds, and in which it does not.
FEWEST_TRACES = 8
# Of the change; what explains less is not worth a line.
LEAST_SHARE = 0.1
# Predicates within another one that explain so much of what it does are the better answer.
ABOUT_AS_MUCH = 0.7
WITHIN = 0.9
# Two predicates with so much of their traces in common are one cause.
SAME_TRACES = 0.85
BOOTSTRAPS = 400
MOST_LINES = 10


@dataclass(frozen=True, slots=True)
class Predicate:
    """What may hold in a trace: in `holds_base` and `holds_head`, a value a trace. `where` says
    whose attribute it is: `operation` or `root`."""

    key: str
    comparison: str
    value: str
    where: str
    holds_base: Bools
    holds_head: Bools


@dataclass(frozen=True, slots=True)
class Cause:
    """A predicate that explains `explained_ns` of a change; `low_ns` to `high_ns` is the 95 %
    interval (bootstrap), `q_value` the adjusted p. The counts are traces in which it holds.
    `same` are predicates that hold for nearly the same traces."""

    predicate: Predicate
    explained_ns: float
    low_ns: float
    high_ns: float
    q_value: float
    base_count: int
    head_count: int
    same: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """`explained` counts in the direction of the change."""

    predicate: Predicate
    explained: float
    q_value: float

    @property
    def name(self) -> tuple[str, str, str]:
        return self.predicate.where, self.predicate.key, self.predicate.value


def causes(
    predicates: Sequence[Predicate], base_ns: Floats, head_ns: Floats, rng: np.random.Generator
) -> tuple[Cause, ...]:
    """What explains most comes first. `base_ns` and `head_ns` are path times by trace.

    Nothing when nothing does.
    """
    change = _mean(head_ns) - _mean(base_ns)
    if not change:
        return ()
    usable = [p for p in predicates if _has_support(p)]
    ranks = midranks(np.concatenate([base_ns, head_ns]))
    base_ranks, head_ranks = ranks[: base_ns.size], ranks[base_ns.size :]
    adjusted = benjamini_hochberg([_p_value(p, base_ranks, head_ranks) for p in usable])
    sign = math.copysign(1.0, change)
    found = [
        _Found(p, sign * explained_ns(p, base_ns, head_ns), q)
        for p, q in zip(usable, adjusted, strict=True)
        if q <= FALSE_CLAIMS and _is_slower(p, base_ns, head_ns, change > 0)
    ]
    found = [one for one in found if one.explained >= LEAST_SHARE * abs(change)]
    found.sort(key=lambda one: (-one.explained, one.name))
    kept: list[tuple[_Found, list[_Found]]] = []
    while found and len(kept) < MOST_LINES:
        related = [
            one
            for one in found
            if one.explained >= ABOUT_AS_MUCH * found[0].explained
            and _overlap(found[0].predicate, one.predicate)[1] >= WITHIN
        ]
        best = min(related, key=lambda one: (one.q_value, one.name))
        same = [
            one
            for one in found
            if one is not best and _overlap(best.predicate, one.predicate)[0] >= SAME_TRACES
        ]
        # What merely holds around it, or within it, says nothing more.
        gone = {id(one) for one in (best, *related, *same)}
        gone |= {id(one) for one in found if _overlap(best.predicate, one.predicate)[1] >= WITHIN}
        found = [one for one in found if id(one) not in gone]
        kept.append((best, same))
    return tuple(
        Cause(
            best.predicate,
            sign * best.explained,
            *_interval(best.predicate, base_ns, head_ns, rng),
            best.q_value,
            int(best.predicate.holds_base.sum()),
            int(best.predicate.holds_head.sum()),
            tuple(one.predicate for one in same),
        )
        for best, same in kept
    )


def explained_ns(predicate: Predicate, base_ns: Floats, head_ns: Floats) -> float:
    """What the predicate explains of the change of the mean."""
    others = _mean(head_ns[~predicate.holds_head]) - _mean(base_ns[~predicate.holds_base])
    return _mean(head_ns) - _mean(base_ns) - others


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else 0.0


def _has_support(p: Predicate) -> bool:
    with_it = max(int(p.holds_base.sum()), int(p.holds_head.sum()))
    without = min(int((~p.holds_base).sum()), int((~p.holds_head).sum()))
    return with_it >= FEWEST_TRACES and without >= FEWEST_TRACES


def _p_value(p: Predicate, base_ranks: Floats, head_ranks: Floats) -> float:
    """Of the difference that leaving its traces out makes, in ranks, if P were irrelevant."""
    difference = variance = 0.0
    for sign, ranks, holds in ((-1.0, base_ranks, p.holds_base), (1.0, head_ranks, p.holds_head)):
        size, others = ranks.size, int((~holds).sum())
        if size < 2 or others == size:
            continue
        difference += sign * (_mean(ranks) - _mean(ranks[~holds]))
        # The mean of a sample without replacement.
        variance += float(ranks.var(ddof=1)) * (size - others) / (size * others)
    return two_sided(difference / math.sqrt(variance)) if variance > 0 else 1.0


def _is_slower(p: Predicate, base_ns: Floats, head_ns: Floats, is_increase: bool) -> bool:
    values, holds = (head_ns, p.holds_head) if is_increase else (base_ns, p.holds_base)
    return _mean(values[holds]) > _mean(values[~holds])


def _overlap(one: Predicate, other: Predicate) -> tuple[float, float]:
    """The traces that both hold for, as parts of those of either and of the rarer one."""
    both = either = 0
    counts = [0, 0]
    for a, b in ((one.holds_base, other.holds_base), (one.holds_head, other.holds_head)):
        both += int((a & b).sum())
        either += int((a | b).sum())
        counts = [counts[0] + int(a.sum()), counts[1] + int(b.sum())]
    return (both / either if either else 0.0), (both / min(counts) if min(counts) else 0.0)


def _interval(
    p: Predicate, base_ns: Floats, head_ns: Floats, rng: np.random.Generator
) -> tuple[float, float]:
    drawn = np.empty(BOOTSTRAPS)
    for round_ in range(BOOTSTRAPS):
        at_base = rng.integers(base_ns.size, size=base_ns.size)
        at_head = rng.integers(head_ns.size, size=head_ns.size)
        again = Predicate(
            p.key, p.comparison, p.value, p.where, p.holds_base[at_base], p.holds_head[at_head]
        )
        drawn[round_] = explained_ns(again, base_ns[at_base], head_ns[at_head])
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
