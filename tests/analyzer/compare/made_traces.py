"""Made traces for comparisons: several kinds, heavy tails, a machine that is busy at times; and a
regression planted in traces, made or recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from longpole.analyzer.compare.sample import PARTS, Cell, Operation, Part, TraceCells

MS = 1_000_000
KINDS = (0.4, 0.3, 0.2, 0.1)


def cells(
    root: Operation,
    path: Mapping[Operation, tuple[Part, int]],
    *,
    calls: Mapping[Operation, int] | None = None,
    own: Mapping[Operation, int] | None = None,
    trace_id: int = 1,
    start: int = 0,
    is_error: bool = False,
) -> TraceCells:
    """A trace in which each operation holds time of one part; one call each, all work on the
    path, unless said otherwise."""
    made: dict[Operation, Cell] = {}
    for operation, (part, held) in path.items():
        cell = made[operation] = Cell((calls or {}).get(operation, 1), held)
        cell.path[part] = held
        cell.own[part] = max(held, (own or {}).get(operation, held))
    duration = sum(sum(cell.path) for cell in made.values())
    return TraceCells(trace_id, root, start, duration, is_error, made)


def heavy_tailed(trace_id: int, rng: np.random.Generator) -> TraceCells:
    """A trace of one of four kinds. Times are log-normal around a few milliseconds, some queries
    have a Pareto tail, and everything in a trace is slow together."""
    kind = int(rng.choice(len(KINDS), p=KINDS))
    busy = rng.lognormal(0, 0.3)
    root = ("gateway", f"GET /{kind}")
    handler = ("shop", f"handle {kind}")

    def time(middle_ms: float) -> int:
        return int(middle_ms * MS * busy * rng.lognormal(0, 0.45))

    made = {root: Cell(1), handler: Cell(1)}
    made[root].path[Part.BETWEEN] = time(1)
    made[handler].path[Part.BETWEEN] = time(3)
    made[handler].path[Part.NETWORK] = time(0.5)
    for number in range(kind + 1):
        slow = 1 + 3 * rng.pareto(1.5) if rng.random() < 0.03 else 1
        query = made.setdefault(("database", f"SELECT {number}"), Cell())
        query.calls += 1
        query.path[Part.CALL] += int(time(3) * slow)
    if kind > 1 and rng.random() < 0.3:
        made["cache", "miss"] = Cell(1, 0, [time(2), *[0] * (PARTS - 1)])
    for cell in made.values():
        cell.own = list(cell.path)
        cell.took = sum(cell.path)
    duration = sum(sum(cell.path) for cell in made.values())
    return TraceCells(trace_id, root, trace_id * 10 * MS, duration, bool(rng.random() < 0.02), made)


def planted(
    traces: Sequence[TraceCells], share: float, chosen: Mapping[Operation, Operation]
) -> list[TraceCells]:
    """The path of every trace longer by `share`, through calls of one operation of its kind;
    where a trace has none, through the operation that holds most."""
    result = []
    for one in traces:
        operation = chosen.get(one.root)
        if operation is None or operation not in one.cells:
            operation = max(one.cells, key=lambda o: (sum(one.cells[o].path), o), default=None)
        if operation is None:
            result.append(one)
            continue
        extra = int(one.duration_ns * share)
        cell = one.cells[operation]
        part = Part.CALL if cell.path[Part.CALL] else Part.BETWEEN
        longer = Cell(cell.calls, cell.took + extra, list(cell.path), list(cell.own))
        longer.path[part] += extra
        longer.own[part] += extra
        result.append(
            replace(
                one, duration_ns=one.duration_ns + extra, cells={**one.cells, operation: longer}
            )
        )
    return result


def culprits(traces: Sequence[TraceCells], rng: np.random.Generator) -> dict[Operation, Operation]:
    """The operation that gets slower, for each kind of trace: one that nine of ten traces use,
    whatever their kind, or, where there is none, one of each kind. Drawn, not chosen by size."""
    usual = _usual(traces)
    everywhere = usual[int(rng.integers(len(usual)))] if usual else None
    chosen = {}
    for kind in sorted({one.root for one in traces}):
        own = _usual([one for one in traces if one.root == kind])
        if everywhere is not None:
            chosen[kind] = everywhere
        elif own:
            chosen[kind] = own[int(rng.integers(len(own)))]
    return chosen


def _usual(traces: Sequence[TraceCells]) -> list[Operation]:
    holds: Counter[Operation] = Counter()
    for one in traces:
        holds.update(o for o, cell in one.cells.items() if sum(cell.path) > 0)
    return sorted(o for o, count in holds.items() if count >= 0.9 * len(traces))
