"""The questions that are asked of two samples at once: one column of scores for each.

DURATION   do traces take longer?                        ranks within kinds of traces
TAIL       are more among the slowest tenth of a kind?   above or not
ERRORS     do more hold failed spans?                    failed or not
OPERATION  does an operation hold more of the path? Over all traces, and within those of each
           root operation that spends enough on it; each of these as ranks of its path time,
           and as what the ranks of the rest of the path leave unexplained of them (Quade's
           rank analysis of covariance, 1967): a busy machine slows everything in a trace,
           and what remains after that shows much smaller changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from longpole.analyzer.compare.ranks import (
    Floats,
    Ints,
    Pooled,
    rank_scores,
    savage_scores,
    tail_scores,
)
from longpole.analyzer.compare.sample import Sample

TAIL_QUANTILE = 0.9
# An operation is looked at that holds so much of the path of both sides together. That does not
# depend on the sides, so choosing costs nothing.
LEAST_SHARE = 0.01
LEAST_SHARE_OF_ROOT = 0.02
MOST_OPERATIONS = 60
MOST_OF_ROOTS = 200
# A root operation with fewer traces than that says little about its operations.
FEWEST_OF_ROOT = 12


class Scope(StrEnum):
    """What a test looks at."""

    DURATION = "duration"
    TAIL = "tail"
    ERRORS = "errors"
    MIX = "mix"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Question:
    """What a column is about. `operation` and `root` are numbers, None for all. `values` are what
    the effect is measured in; None where the scores are. `plain` is the column of the same
    question without adjustment for the rest of the path; itself when it is that. `of_tail`: it
    looks at the slowest traces, which come in bursts when a machine is busy for a moment."""

    scope: Scope
    operation: int | None
    root: int | None
    values: Floats | None
    plain: int
    of_tail: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """Questions and their scores, a row a trace and a column a question."""

    questions: list[Question]
    scores: Floats


def columns(pooled: Pooled, base: Sample, head: Sample) -> Columns:
    """Every question that these samples are asked, in the order of the scopes."""
    durations = np.concatenate([base.duration_ns, head.duration_ns]).astype(np.float64)
    failed = np.concatenate([base.is_error, head.is_error]).astype(np.float64)
    failing = np.bincount(pooled.stratum, failed) / np.bincount(pooled.stratum)
    questions = [
        Question(Scope.DURATION, None, None, durations, 0),
        Question(Scope.TAIL, None, None, None, 1, of_tail=True),
        Question(Scope.ERRORS, None, None, None, 2),
    ]
    scores = [
        rank_scores(pooled, durations),
        tail_scores(pooled, durations, TAIL_QUANTILE),
        failed - failing[pooled.stratum],
    ]
    roots = np.concatenate([base.root, head.root])
    for root, operation in _candidates(base, head, durations, roots):
        path = np.concatenate([base.path_of(operation), head.path_of(operation)])
        # Of all: those strata in which nobody has it would only add noise to the rest.
        uses = np.bincount(pooled.stratum, path > 0)[pooled.stratum] > 0
        is_asked = uses if root is None else roots == root
        asked = np.where(is_asked, path, 0.0)
        plain = rank_scores(pooled, asked)
        rest = rank_scores(pooled, np.where(is_asked, durations - path, 0.0))
        power = float(rest @ rest)
        slope = float(plain @ rest) / power if power > 0 else 0.0
        place = len(questions)
        for column in (plain, plain - slope * rest):
            questions.append(Question(Scope.OPERATION, operation, root, asked, place))
            scores.append(column)
        savage = Question(Scope.OPERATION, operation, root, asked, place + 2, of_tail=True)
        questions.append(savage)
        scores.append(savage_scores(pooled, asked))
    return Columns(questions, np.column_stack(scores))


def _candidates(
    base: Sample, head: Sample, durations: Floats, roots: Ints
) -> list[tuple[int | None, int]]:
    """Pairs of a root operation (None for all) and an operation, most time first."""
    places = np.concatenate([base.operation, head.operation])
    if not places.size:
        return []
    held = np.concatenate([side.path.sum(axis=1, dtype=np.float64) for side in (base, head)])
    of_trace = np.concatenate([base.root[base.trace], head.root[head.trace]])
    whole = np.bincount(places, held)
    total = float(durations.sum())
    chosen = [
        (None, int(place))
        for place in np.argsort(-whole, kind="stable")
        if whole[place] >= max(1.0, LEAST_SHARE * total)
    ][:MOST_OPERATIONS]
    within: list[tuple[float, int, int]] = []
    for root in np.unique(roots).tolist():
        is_root = of_trace == root
        if int((roots == root).sum()) < FEWEST_OF_ROOT or not is_root.any():
            continue
        sums = np.bincount(places[is_root], held[is_root])
        least = max(1.0, LEAST_SHARE_OF_ROOT * float(sums.sum()))
        for place in np.flatnonzero(sums >= least).tolist():
            # Where no other root operation uses it, it is the same question again.
            if sums[place] < whole[place] or (None, place) not in chosen:
                within.append((-float(sums[place]), root, place))
    return [*chosen, *((root, place) for _, root, place in sorted(within)[:MOST_OF_ROOTS])]
