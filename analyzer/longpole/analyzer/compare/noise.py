"""Tells changes from noise: which differences between two samples are real.

The questions are those of `columns`. Sides are shuffled within kinds of traces; how high the
highest of all z gets by chance says how high one must be to mean anything, whatever the questions
have in common (max-T, Westfall and Young, 1993). Ranks make heavy tails harmless. Whether root
operations are asked for in other shares (MIX) is a chi-square test beside it.

A significant difference must also matter: where even the far end of its interval is small, or what
was seen is less than half of that, it is not worth a word. Traces of one moment are alike: where
blocks of time differ on both sides more than chance allows, tests are weakened by as much: traffic
with bad seconds has some in any window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from longpole.analyzer.compare.columns import Columns, Question, Scope, columns
from longpole.analyzer.compare.ranks import Bools, Floats, Ints, Pooled, chi_square_tail
from longpole.analyzer.compare.sample import Operation, Sample
from longpole.analyzer.compare.shuffles import SHUFFLES, deviations, evened, freedom, shuffled_z
from longpole.analyzer.compare.strata import difference_of_shares, pooled_traces

# The chance to claim anything at all of two samples of the same traffic, by family.
ALPHA_OF_TRACES = 0.001
ALPHA_OF_OPERATIONS = 0.0015
ALPHA_OF_MIX = 0.0005
# Less than this part of the mean duration is not worth a word, however sure it is.
SMALLEST_SHARE = 0.02
SMALLEST_ERROR_SHARE = 0.01
SMALLEST_TAIL_SHARE = 0.03
# With fewer on a side no outcome could be told from chance.
FEWEST_TRACES = 8
TRIMMED = 0.1
BLOCKS = 16
FEWEST_PER_BLOCK = 8
BLOCKS_DIFFER_P = 0.01
# What is adjusted for the rest of the path must be seen without it, too.
PLAIN_Z = 1.0
_Z95 = 1.959964
# Both errors of a test whose level is that of a family of few questions, in deviations.
_Z_DETECTED = 3.6 + 1.2816


@dataclass(frozen=True, slots=True)
class Change:
    """The outcome of one test, about traces of `root` (None: of all).

    `effect` is head minus base within kinds of traces, weighted by how frequent they are: a share
    of traces for ERRORS and TAIL, else nanoseconds of the mean trace; 0 for MIX. `typical` is the
    same with the highest and the lowest tenth cut off, `low` to `high` its 95 % interval.
    `p_value` holds for all questions of the family together; `is_real`: it is at most the
    family's level, and the effect matters.
    """

    scope: Scope
    operation: Operation | None
    root: Operation | None
    effect: float
    typical: float
    low: float
    high: float
    z: float
    p_value: float
    is_real: bool

    @property
    def is_worse(self) -> bool:
        """Whether head is slower, or fails more."""
        return self.z > 0


@dataclass(frozen=True, slots=True)
class Changes:
    """All tests, in the order of `columns`, then MIX. `detectable_share` is the change of the
    typical duration, as a part of the mean one, that would have been seen nine times of ten in
    the durations alone; None when there is too little to say (`is_enough` false)."""

    tests: tuple[Change, ...]
    is_enough: bool
    detectable_share: float | None

    @property
    def real(self) -> tuple[Change, ...]:
        """Those that are."""
        return tuple(test for test in self.tests if test.is_real)


def changes(
    base: Sample,
    head: Sample,
    operations: Sequence[Operation],
    rng: np.random.Generator,
    shuffles: int = SHUFFLES,
) -> Changes:
    """Test everything; the same samples and generator give the same answer."""
    if min(len(base), len(head)) < FEWEST_TRACES:
        return Changes((), False, None)
    pooled = pooled_traces(base, head)
    asked = columns(pooled, base, head)
    scale = deviations(pooled, asked.scores)
    starts = np.concatenate([base.start_unix_nano, head.start_unix_nano])
    weakened = np.sqrt([
        overdispersion(pooled, column, starts, question.of_tail)
        for question, column in zip(asked.questions, asked.scores.T, strict=True)
    ])  # fmt: skip
    sums = asked.scores[pooled.is_head].sum(axis=0)
    z = np.where(scale > 0, sums / np.where(scale > 0, scale * weakened, 1.0), 0.0)
    z = evened(z, freedom(pooled, asked.scores))
    p_values = _p_values(pooled, asked, z, rng, shuffles)
    roots = np.concatenate([base.root, head.root])
    durations = np.concatenate([base.duration_ns, head.duration_ns]).astype(np.float64)
    tests: list[Change] = []
    for place, question in enumerate(asked.questions):
        is_asked = np.full(roots.size, True) if question.root is None else roots == question.root
        of_base = durations[is_asked & ~pooled.is_head]
        mean_ns = float(of_base.mean()) if of_base.size else 0.0
        tests.append(
            _change(question, float(z[place]), float(z[question.plain]), float(p_values[place]),
                    _part(pooled, is_asked), is_asked, asked.scores[is_asked, place], mean_ns,
                    operations)
        )  # fmt: skip
    mean_ns = float(base.duration_ns.mean(dtype=np.float64))
    spread = (tests[0].high - tests[0].low) / (2 * _Z95)
    detectable = spread * _Z_DETECTED / mean_ns if mean_ns > 0 else None
    return Changes((*tests, _mix(base, head)), True, detectable)


def _p_values(
    pooled: Pooled, asked: Columns, z: Floats, rng: np.random.Generator, shuffles: int
) -> Floats:
    """How often shuffling makes the highest z of a family at least as high as each of these."""
    is_operation = np.array([q.scope is Scope.OPERATION for q in asked.questions])
    p_values = np.ones(z.size)
    highest: dict[bool, list[Floats]] = {True: [], False: []}
    for block in shuffled_z(pooled, asked.scores, rng, shuffles):
        for family, found in highest.items():
            members = is_operation == family
            if members.any():
                found.append(np.abs(block[:, members]).max(axis=1).astype(np.float64))
    for family, found in highest.items():
        if found:
            members = np.flatnonzero(is_operation == family)
            ordered = np.sort(np.concatenate(found))
            # Single precision of the shuffled ones must not make a tie a difference.
            above = ordered.size - np.searchsorted(ordered, np.abs(z[members]) * (1 - 1e-6))
            p_values[members] = (1 + above) / (1 + ordered.size)
    return p_values


def _change(
    question: Question,
    z: float,
    plain_z: float,
    p_value: float,
    part: Pooled,
    is_asked: Bools,
    scores: Floats,
    mean_ns: float,
    operations: Sequence[Operation],
) -> Change:
    sign = 1.0 if z > 0 else -1.0
    if question.values is None:
        difference = float(scores[part.is_head].mean() - scores[~part.is_head].mean())
        error = abs(difference / z) if z else 0.0
        effect, typical = difference, difference
        is_tail = question.scope is Scope.TAIL
        matters = abs(effect) >= (SMALLEST_TAIL_SHARE if is_tail else SMALLEST_ERROR_SHARE)
    else:
        effect, typical, error = _effects(part, question.values[is_asked])
        seen = max(sign * effect, sign * typical)
        farthest = max(sign * effect, sign * typical + _Z95 * error)
        smallest = SMALLEST_SHARE * mean_ns
        matters = seen >= smallest / 2 and farthest >= smallest and sign * plain_z >= PLAIN_Z
    level = ALPHA_OF_OPERATIONS if question.scope is Scope.OPERATION else ALPHA_OF_TRACES
    return Change(
        scope=question.scope,
        operation=None if question.operation is None else operations[question.operation],
        root=None if question.root is None else operations[question.root],
        effect=effect,
        typical=typical,
        low=typical - _Z95 * error,
        high=typical + _Z95 * error,
        z=z,
        p_value=p_value,
        is_real=p_value <= level and matters,
    )


def _part(pooled: Pooled, kept: Bools) -> Pooled:
    if kept.all():
        return pooled
    _, dense = np.unique(pooled.stratum[kept], return_inverse=True)
    return Pooled(pooled.is_head[kept], dense.astype(np.int64))


def _mix(base: Sample, head: Sample) -> Change:
    roots = np.concatenate([base.root, head.root])
    p = difference_of_shares(roots, np.arange(roots.size) >= len(base))
    return Change(Scope.MIX, None, None, 0.0, 0.0, 0.0, 0.0, 0.0, p, p <= ALPHA_OF_MIX)


def _effects(pooled: Pooled, values: Floats) -> tuple[float, float, float]:
    """The stratified difference of means, of trimmed means, and the latter's standard error
    (Yuen, 1974)."""
    effect = typical = variance = 0.0
    order = np.lexsort((values, pooled.is_head, pooled.stratum))
    keys = pooled.stratum * 2 + pooled.is_head
    bounds = np.searchsorted(keys[order], np.arange(2 * pooled.strata + 1))
    total = values.size
    for stratum in range(pooled.strata):
        first, middle, last = bounds[2 * stratum : 2 * stratum + 3].tolist()
        if middle == first or last == middle:
            continue
        weight = (last - first) / total
        sides = values[order[first:middle]], values[order[middle:last]]
        effect += weight * float(sides[1].mean() - sides[0].mean())
        for sign, ordered in ((-1.0, sides[0]), (1.0, sides[1])):
            cut = int(TRIMMED * ordered.size)
            kept = ordered[cut : ordered.size - cut]
            typical += weight * sign * float(kept.mean())
            if ordered.size > 1:
                winsorised = np.clip(ordered, kept[0], kept[-1])
                # n * (1 - 2 * trimmed)^2, with the whole numbers that were cut
                size = kept.size**2 / ordered.size
                variance += weight**2 * float(winsorised.var(ddof=1)) / size
    return effect, typical, math.sqrt(variance)


def overdispersion(pooled: Pooled, scores: Floats, starts: Ints, of_tail: bool) -> float:
    """How much more than by chance blocks of time differ in their scores, 1 or more.

    Each side is cut into `BLOCKS` blocks of equally many traces; under independence the sums of
    blocks vary as shuffled traces do. Counted only where chance would give it once in 100 cases,
    and as much as the calmer side shows: a burst that base never had is a change. In the tail
    the wilder side counts: a few slow seconds are not many slow traces.
    """
    chosen = max if of_tail else min
    return chosen(_burstiness(scores[is_side], starts[is_side])
               for is_side in (pooled.is_head, ~pooled.is_head))  # fmt: skip


def _burstiness(scores: Floats, starts: Ints) -> float:
    size = scores.size
    blocks = min(BLOCKS, size // FEWEST_PER_BLOCK)
    if blocks < 4:
        return 1.0
    ordered = scores[np.argsort(starts, kind="stable")]
    ordered = ordered - ordered.mean()
    spread = float((ordered**2).sum()) / (size - 1)
    if spread <= 0:
        return 1.0
    edges = np.linspace(0, size, blocks + 1).astype(int)
    sums = np.add.reduceat(ordered, edges[:-1])
    ratio_sum = float((sums**2 / np.diff(edges)).sum()) / spread
    if chi_square_tail(ratio_sum, blocks - 1) > BLOCKS_DIFFER_P:
        return 1.0
    return max(1.0, ratio_sum / (blocks - 1))
