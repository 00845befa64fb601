"""The heights of boxes in their layers: level with their neighbours, and never on each other.

Each layer in turn moves its boxes as near as their order and their sizes allow to the mean height
of their neighbours. Nearest in the sense of least squares is an isotonic regression, which the
pool-adjacent-violators rule solves in one pass (Barlow et al., 1972).
"""

from __future__ import annotations

from collections.abc import Sequence

_PASSES = 8


def heights(
    layers: Sequence[Sequence[int]],
    links: Sequence[tuple[int, int]],
    sizes: Sequence[float],
    gaps: Sequence[float],
) -> list[float]:
    """The middle of every node, 0 for one in no layer; the topmost edge of all is at 0. Between
    two nodes of a layer is at least half of the `gaps` of both."""
    before: list[list[int]] = [[] for _ in sizes]
    after: list[list[int]] = [[] for _ in sizes]
    for left, right in links:
        after[left].append(right)
        before[right].append(left)
    ys = [0.0] * len(sizes)
    offsets = [_offsets(layer, sizes, gaps) for layer in layers]
    for layer, offset in zip(layers, offsets, strict=True):
        middle = offset[-1] / 2 if offset else 0.0
        for node, at in zip(layer, offset, strict=True):
            ys[node] = at - middle
    numbers = range(len(layers))
    for one_pass in range(_PASSES):
        for number in numbers if one_pass % 2 == 0 else reversed(numbers):
            # The last two passes look to both sides, so that neither wins.
            sides = (
                (before, after)
                if one_pass >= _PASSES - 2
                else ((before,) if one_pass % 2 == 0 else (after,))
            )
            _settle(layers[number], offsets[number], sides, ys)
    top = min((ys[node] - sizes[node] / 2 for layer in layers for node in layer), default=0.0)
    for layer in layers:
        for node in layer:
            ys[node] -= top
    return ys


def _offsets(layer: Sequence[int], sizes: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """How far below the first node each has to lie at least."""
    found: list[float] = []
    at = 0.0
    for place, node in enumerate(layer):
        if place:
            above = layer[place - 1]
            at += (sizes[above] + sizes[node]) / 2 + (gaps[above] + gaps[node]) / 2
        found.append(at)
    return found


def _settle(
    layer: Sequence[int],
    offsets: Sequence[float],
    sides: Sequence[Sequence[Sequence[int]]],
    ys: list[float],
) -> None:
    """Moves the nodes of a layer as near to what they wish as their order allows."""
    pools: list[tuple[float, int]] = []  # (mean wish without the offset, how many nodes)
    for node, offset in zip(layer, offsets, strict=True):
        beside = [ys[other] for side in sides for other in side[node]]
        wish = (sum(beside) / len(beside) if beside else ys[node]) - offset
        size = 1
        while pools and pools[-1][0] > wish:
            above, others = pools.pop()
            wish = (wish * size + above * others) / (size + others)
            size += others
        pools.append((wish, size))
    place = 0
    for wish, size in pools:
        for node in layer[place : place + size]:
            ys[node] = wish + offsets[place]
            place += 1
