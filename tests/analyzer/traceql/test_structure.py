"""How spans hang together, against the definition span by span, on made forests with cycles,
orphans and repeated ids."""

from __future__ import annotations

import numpy as np
import pytest

from longpole.analyzer.traceql.structure import Structure, structure_of

Rows = list[int]


def forest(seed: int, spans: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Traces, span ids, parent ids and starts of spans in three traces."""
    random = np.random.default_rng(seed)
    traces = np.sort(random.integers(0, 3, spans))
    ids = random.integers(1, spans, spans).astype(np.uint64)
    parents = np.where(random.random(spans) < 0.2, 0, random.integers(1, spans, spans))
    return traces, ids, parents.astype(np.uint64), random.integers(0, 9, spans)


def naive_parents(traces: Rows, ids: Rows, parents: Rows) -> Rows:
    first: dict[tuple[int, int], int] = {}
    for row, key in enumerate(zip(traces, ids, strict=True)):
        first.setdefault(key, row)
    found = [first.get(key, -1) for key in zip(traces, parents, strict=True)]
    return [
        -1 if wanted == 0 or parent == row else parent
        for row, (wanted, parent) in enumerate(zip(parents, found, strict=True))
    ]


def above(parents: Rows, row: int) -> set[int] | None:
    """The ancestors of a row; None when they run in a circle."""
    found: set[int] = set()
    row = parents[row]
    while row >= 0:
        if row in found:
            return None
        found.add(row)
        row = parents[row]
    return found


def made(seed: int) -> tuple[Structure, Rows, list[set[int] | None], np.ndarray]:
    traces, ids, parents, _ = forest(seed)
    structure = structure_of(traces, ids, parents)
    naive = naive_parents(traces.tolist(), ids.tolist(), parents.tolist())
    assert structure.parents.tolist() == naive
    chosen = np.random.default_rng(seed + 1).random(len(traces)) < 0.3
    return structure, naive, [above(naive, row) for row in range(len(naive))], chosen


@pytest.mark.parametrize("seed", range(20))
def test_ancestors_and_descendants_are_those_by_definition(seed: int) -> None:
    structure, naive, ancestors, chosen = made(seed)
    rows = range(len(naive))
    picked = set(np.flatnonzero(chosen).tolist())
    under = [bool(ancestors[row] and ancestors[row] & picked) for row in rows]  # type: ignore[operator]
    over = [any(row in (ancestors[other] or ()) for other in picked) for row in rows]
    assert structure.under(chosen).tolist() == under
    assert structure.over(chosen).tolist() == over
    assert structure.children_of(chosen).tolist() == [naive[row] in picked for row in rows]
    assert structure.parents_of(chosen).tolist() == [
        any(naive[other] == row for other in picked) for row in rows
    ]
    assert structure.child_counts().tolist() == [naive.count(row) for row in rows]


@pytest.mark.parametrize("seed", range(20))
def test_siblings_share_a_parent_and_are_never_alone(seed: int) -> None:
    traces, ids, parents, _ = forest(seed)
    structure = structure_of(traces, ids, parents)
    chosen = np.random.default_rng(seed).random(len(ids)) < 0.3
    groups = list(zip(traces.tolist(), parents.tolist(), strict=True))
    expected = [
        group[1] != 0
        and any(
            chosen[other] and other != row and group == groups[other]
            for other in range(len(groups))
        )
        for row, group in enumerate(groups)
    ]
    assert structure.beside(chosen).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
def test_nested_set_numbers_hold_exactly_the_descendants(seed: int) -> None:
    traces, ids, parents, starts = forest(seed)
    structure, naive, ancestors, _ = made(seed)
    left, right, parent = structure.nested_sets(traces, starts)
    for row, own in enumerate(ancestors):
        if own is None:
            assert (left[row], right[row]) == (0, 0)
            continue
        for other, others in enumerate(ancestors):
            if others is not None and traces[row] == traces[other]:
                inside = left[row] < left[other] and right[other] < right[row]
                assert inside == (row in others)
        wanted = -1 if parents[row] == 0 else left[naive[row]] if naive[row] >= 0 else 0
        assert parent[row] == wanted
    for trace in range(3):
        numbers = [*left[(traces == trace) & (left > 0)], *right[(traces == trace) & (left > 0)]]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_a_deep_chain_takes_no_recursion_and_no_time() -> None:
    many = 20_000
    ids = np.arange(1, many + 1, dtype=np.uint64)
    structure = structure_of(np.zeros(many, np.int64), ids, ids - np.uint64(1))
    left, right, _ = structure.nested_sets(np.zeros(many, np.int64), np.zeros(many, np.int64))
    assert (left[-1], right[-1], right[0]) == (many, many + 1, 2 * many)
    first = np.zeros(many, np.bool_)
    first[0] = True
    assert structure.under(first).sum() == many - 1
