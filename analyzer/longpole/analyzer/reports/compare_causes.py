"""The attributes that explain a comparison, as its report lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from longpole.analyzer.compare.attributes import Cause, Predicate, causes
from longpole.analyzer.compare.noise import Change
from longpole.analyzer.compare.predicates import (
    MOST_KEYS,
    Values,
    attribute_values,
    predicates,
)
from longpole.analyzer.compare.ranks import Floats
from longpole.analyzer.compare.sample import Names
from longpole.analyzer.reports.compare_sides import LoadedSide

MOST_TRACES = 1_000
MOST_OPERATIONS = 3
MOST_MARKS = 5
# A predicate tells the sides apart that holds in so much of one and so little of the other.
_NEARLY_ALL, _NEARLY_NONE = 0.95, 0.05


def causes_of(
    changes: Sequence[Change],
    base: LoadedSide,
    head: LoadedSide,
    names: Names,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """For each of the first changed operations: what explains it, most milliseconds first.

    Looks at the traces of one root operation, `MOST_TRACES` of each side at most.
    """
    types = {**head.side.reader.attribute_keys(), **base.side.reader.attribute_keys()}
    keys = sorted(types)[:MOST_KEYS]
    return [
        _of_operation(change, base, head, names, keys, types, rng)
        for change in changes[:MOST_OPERATIONS]
        if change.operation is not None
    ]


def _of_operation(
    change: Change,
    base: LoadedSide,
    head: LoadedSide,
    names: Names,
    keys: Sequence[str],
    types: Mapping[str, str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    operation = change.operation
    assert operation is not None
    place = names.place(operation)
    root = _most_changed(place, base, head) if change.root is None else names.place(change.root)
    times: list[Floats] = []
    values: list[list[Values | None]] = []
    for side in (base, head):
        rows = np.flatnonzero(side.sample.root == root)
        if rows.size > MOST_TRACES:
            rows = rows[np.linspace(0, rows.size - 1, MOST_TRACES).astype(np.int64)]
        times.append(side.sample.path_of(place)[rows])
        ids = [side.sample.trace_ids[row] for row in rows.tolist()]
        known = attribute_values(side.side.reader, ids, keys, operation)
        values.append([known.get(trace_id) for trace_id in ids])
    asked = predicates(values[0], values[1], types)
    found = causes(asked, times[0], times[1], rng)
    has_both = all(
        any(one is not None and any(where == "operation" for where, _ in one.of) for one in side)
        for side in values
    )
    marks = _marks([p for p in asked if has_both or p.where == "root"])
    difference = _mean(times[1]) - _mean(times[0])
    return {
        "service": operation[0],
        "operation": operation[1],
        "root_service": names.operations[root][0],
        "root_operation": names.operations[root][1],
        "difference_ns": round(difference),
        "base_traces": int(times[0].size),
        "head_traces": int(times[1].size),
        "causes": [_cause(cause) for cause in found],
        "marks": marks,
        "note": _note(found, marks),
    }


def _note(found: Sequence[Cause], marks: Sequence[Mapping[str, Any]]) -> str:
    if found:
        return ""
    if marks:
        return "no attribute explains it, beside those that tell the two sides apart"
    return "no attribute explains it"


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else 0.0


def _most_changed(place: int, base: LoadedSide, head: LoadedSide) -> int:
    """The root operation in whose traces the operation's path time changed most in all.

    Attributes are compared within one kind of trace: across kinds, whatever tells the kinds
    apart would seem to explain what only some of them do.
    """
    moved: dict[int, float] = {}
    paths = [side.sample.path_of(place) for side in (base, head)]
    for root in np.unique(np.concatenate([base.sample.root, head.sample.root])).tolist():
        parts = [
            path[side.sample.root == root] for path, side in zip(paths, (base, head), strict=True)
        ]
        if parts[0].size and parts[1].size:
            moved[root] = abs(_mean(parts[1]) - _mean(parts[0])) * (parts[0].size + parts[1].size)
    return max(moved, key=lambda root: (moved[root], -root), default=-1)


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        **_predicate(cause.predicate),
        "explained_ns": round(cause.explained_ns),
        "low_ns": round(cause.low_ns),
        "high_ns": round(cause.high_ns),
        "q_value": cause.q_value,
        "base_count": cause.base_count,
        "head_count": cause.head_count,
        "same": [_predicate(predicate) for predicate in cause.same],
    }


def _predicate(predicate: Predicate) -> dict[str, Any]:
    return {
        "key": predicate.key,
        "comparison": predicate.comparison,
        "value": predicate.value,
        "where": predicate.where,
    }


def _marks(asked: Sequence[Predicate]) -> list[dict[str, Any]]:
    """What holds on one side alone: it may be the cause, but this comparison cannot tell."""
    found: list[dict[str, Any]] = []
    known: set[tuple[str, str, str]] = set()
    for predicate in sorted(asked, key=lambda p: p.where):
        name = predicate.key, predicate.comparison, predicate.value
        if name in known or not predicate.holds_base.size or not predicate.holds_head.size:
            continue
        shares = float(predicate.holds_base.mean()), float(predicate.holds_head.mean())
        if min(shares) <= _NEARLY_NONE and max(shares) >= _NEARLY_ALL:
            known.add(name)
            found.append(
                {
                    **_predicate(predicate),
                    "side": "head" if shares[1] > shares[0] else "base",
                    "base_share": round(shares[0], 6),
                    "head_share": round(shares[1], 6),
                }
            )
    return found[:MOST_MARKS]
