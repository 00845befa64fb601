"""The order of boxes within layers that leaves few crossings: barycentres, swept both ways.

Every box moves to the mean place of its neighbours in the layer just ordered, layer by layer to
the right and back again; the order with the fewest crossings seen is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_SWEEPS = 12
# Crossings of so many links are counted in all, so that large graphs get fewer sweeps.
_MOST_WORK = 80_000


def ordered(layers: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The layers with their nodes in order; `links` join neighbouring layers, (left, right)."""
    count = 1 + max((node for layer in layers for node in layer), default=-1)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for left, right in links:
        after[left].append(right)
        before[right].append(left)
    current = _by_walk(layers, after)
    best, least = current, _crossings(current, after)
    sweeps = min(MOST_SWEEPS, 2 + _MOST_WORK // (1 + len(links)))
    for sweep in range(sweeps):
        if least == 0:
            break
        is_rightward = sweep % 2 == 0
        current = _swept(current, before if is_rightward else after, is_rightward=is_rightward)
        crossings = _crossings(current, after)
        if crossings < least:
            best, least = current, crossings
    return [list(layer) for layer in best]


def _by_walk(layers: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> list[list[int]]:
    """A first order: nodes as a walk along the links meets them, so that trees have no crossing
    from the start."""
    layer_of = {node: number for number, layer in enumerate(layers) for node in layer}
    found: list[list[int]] = [[] for _ in layers]
    is_seen = [False] * len(after)
    for layer in layers:
        for start in layer:
            waiting = [start]
            while waiting:
                node = waiting.pop()
                if not is_seen[node]:
                    is_seen[node] = True
                    found[layer_of[node]].append(node)
                    waiting.extend(reversed(after[node]))
    return found


def _swept(
    layers: Sequence[Sequence[int]], neighbours: Sequence[Sequence[int]], *, is_rightward: bool
) -> list[list[int]]:
    """Every layer but the first of the sweep in the order of the mean place of its neighbours;
    a node without any keeps its place."""
    place: dict[int, float] = {}
    result: list[list[int]] = [[] for _ in layers]
    numbers = range(len(layers))
    for number in numbers if is_rightward else reversed(numbers):
        keys = []
        for at, node in enumerate(layers[number]):
            beside = [place[other] for other in neighbours[node] if other in place]
            keys.append((sum(beside) / len(beside) if beside else float(at), at, node))
        keys.sort()
        result[number] = [node for _, _, node in keys]
        for at, node in enumerate(result[number]):
            place[node] = float(at)
    return result


def _crossings(layers: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    """How many pairs of links cross: inversions, counted with a Fenwick tree for each layer."""
    total = 0
    for left, right in zip(layers, layers[1:], strict=False):
        place = {node: at for at, node in enumerate(right)}
        size = len(right)
        tree = [0] * (size + 1)
        met = 0
        for node in left:
            ends = sorted(place[other] for other in after[node])
            for end in ends:
                at, not_above = end + 1, 0
                while at:
                    not_above += tree[at]
                    at &= at - 1
                total += met - not_above
            for end in ends:
                at = end + 1
                while at <= size:
                    tree[at] += 1
                    at += at & -at
            met += len(ends)
    return total
