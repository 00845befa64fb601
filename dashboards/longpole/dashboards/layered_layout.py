"""A layered drawing of a directed graph: callers on the left, whom they call on the right.

    boxes, edges ─▶ acyclic (back edges turned around) ─▶ layers, long edges cut at each layer
                 ─▶ order within layers (`layer_order`) ─▶ heights (`layer_places`) ─▶ Layout

After Sugiyama, Tagawa and Toda (1981): the same graph always gives the same drawing, no step
recurs, and a graph of a thousand boxes takes well under a second. Units are those of the box
sizes; the drawing starts at 0, 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longpole.dashboards.layer_lines import LOOP, Box, Line, Way, drawn_lines
from longpole.dashboards.layer_order import ordered
from longpole.dashboards.layer_places import heights

# Beyond so many bends, long edges run straight through the layers between.
MOST_BENDS = 12_000


@dataclass(frozen=True, slots=True)
class Spacing:
    """Free room between layers, between boxes of a layer, and beside a passing edge."""

    layers: float = 90.0
    boxes: float = 22.0
    bends: float = 6.0


@dataclass(frozen=True, slots=True)
class Layout:
    """One box for each box given and one line for each edge given, in their order."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def layered_layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    spacing: Spacing = Spacing(),
) -> Layout:
    """The drawing of boxes of these sizes (width, height), each number in `edges` a place in
    `sizes`. Where a cycle is broken and what lies above depends on the order of the boxes: put
    the most important ones first. Boxes without any edge stand in rows below the others."""
    count = len(sizes)
    linked = {end for edge in edges for end in edge if edge[0] != edge[1]}
    forward = _acyclic(count, edges)
    layer_of = _layers(count, forward)
    graph = _with_bends(linked, forward, layer_of, spacing, sizes)
    ordered_layers = ordered(graph.layers, graph.links)
    ys = heights(ordered_layers, graph.links, graph.heights, graph.gaps)
    columns = _columns(ordered_layers, sizes, spacing)
    boxes: list[Box | None] = [None] * count
    bottom = 0.0
    for number, layer in enumerate(ordered_layers):
        for node in layer:
            bottom = max(bottom, ys[node] + graph.heights[node] / 2)
            if node < count:
                w, h = sizes[node]
                boxes[node] = Box(columns[number][0], ys[node] - h / 2, w, h, number)
    width = columns[-1][1] if columns else 0.0
    alone = [node for node in range(count) if node not in linked]
    width, bottom = _place_alone(alone, boxes, sizes, spacing, width, bottom)
    placed = tuple(box for box in boxes if box is not None)
    ways = [
        Way(source, target, tuple(graph.ways[number]), is_back=edges[number] != (source, target))
        for number, (source, target) in enumerate(forward)
    ]
    lines = drawn_lines(ways, placed, ys, columns)
    has_loop = any(line.is_loop for line in lines)
    return Layout(width + (LOOP if has_loop else 0.0), bottom, placed, lines)


@dataclass(frozen=True, slots=True)
class _Graph:
    """Boxes and bends by layer; `links` join neighbouring layers, (left, right); `ways` has the
    bends of each edge, from left to right; `heights` and `gaps`
    are of all boxes and bends."""

    layers: list[list[int]]
    links: list[tuple[int, int]]
    ways: list[list[int]]
    heights: list[float]
    gaps: list[float]


def _acyclic(count: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The edges with those turned around that lead back to a box on the way to it. Walks from
    boxes that nobody calls first, then from the others, in their order."""
    following: list[list[int]] = [[] for _ in range(count)]
    callers = [0] * count
    for source, target in edges:
        if source != target:
            following[source].append(target)
            callers[target] += 1
    starts = sorted(range(count), key=lambda node: (callers[node] > 0, node))
    left_at = [-1] * count  # when the walk was done with a box
    entered = [False] * count
    clock = 0
    for start in starts:
        if entered[start]:
            continue
        entered[start] = True
        way = [(start, iter(following[start]))]
        while way:
            node, rest = way[-1]
            for target in rest:
                if not entered[target]:
                    entered[target] = True
                    way.append((target, iter(following[target])))
                    break
            else:
                way.pop()
                left_at[node] = clock
                clock += 1
    # What the walk left later lies before; an edge against that leads back.
    return [
        (target, source) if left_at[source] < left_at[target] else (source, target)
        for source, target in edges
    ]


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: one beyond its farthest caller; a box without callers stands right
    before the first that it calls."""
    following: list[list[int]] = [[] for _ in range(count)]
    callers = [0] * count
    for source, target in edges:
        if source != target:
            following[source].append(target)
            callers[target] += 1
    layer_of = [0] * count
    waiting = [node for node in range(count) if callers[node] == 0]
    first = list(waiting)
    for node in waiting:  # grows while it is read
        for target in following[node]:
            layer_of[target] = max(layer_of[target], layer_of[node] + 1)
            callers[target] -= 1
            if callers[target] == 0:
                waiting.append(target)
    for node in first:
        if following[node]:
            layer_of[node] = min(layer_of[target] for target in following[node]) - 1
    return layer_of


def _with_bends(
    linked: set[int],
    edges: Sequence[tuple[int, int]],
    layer_of: Sequence[int],
    spacing: Spacing,
    sizes: Sequence[tuple[float, float]],
) -> _Graph:
    depth = max((layer_of[node] for node in linked), default=-1) + 1
    layers: list[list[int]] = [[] for _ in range(depth)]
    for node in sorted(linked):
        layers[layer_of[node]].append(node)
    spans = [layer_of[target] - layer_of[source] for source, target in edges]
    is_bending = sum(max(0, span - 1) for span in spans) <= MOST_BENDS
    node_heights = [height for _, height in sizes]
    gaps = [spacing.boxes] * len(sizes)
    links: list[tuple[int, int]] = []
    ways: list[list[int]] = []
    for number, (source, target) in enumerate(edges):
        way: list[int] = []
        if spans[number] > 1 and is_bending:
            for layer in range(layer_of[source] + 1, layer_of[target]):
                way.append(len(node_heights))
                layers[layer].append(len(node_heights))
                node_heights.append(0.0)
                gaps.append(spacing.bends)
        ways.append(way)
        stops = [source, *way, target]
        if source != target and (spans[number] == 1 or way):
            links += zip(stops, stops[1:], strict=False)
    return _Graph(layers, links, ways, node_heights, gaps)


def _columns(
    layers: Sequence[Sequence[int]],
    sizes: Sequence[tuple[float, float]],
    spacing: Spacing,
) -> list[tuple[float, float]]:
    """Where each layer begins and ends."""
    columns: list[tuple[float, float]] = []
    x = 0.0
    for layer in layers:
        widest = max((sizes[node][0] for node in layer if node < len(sizes)), default=0.0)
        columns.append((x, x + widest))
        x += widest + spacing.layers
    return columns


def _place_alone(
    alone: Sequence[int],
    boxes: list[Box | None],
    sizes: Sequence[tuple[float, float]],
    spacing: Spacing,
    width: float,
    bottom: float,
) -> tuple[float, float]:
    """Rows of boxes below everything, as wide as the drawing or about as wide as they are high."""
    if not alone:
        return width, bottom
    area = sum((sizes[n][0] + spacing.boxes) * (sizes[n][1] + spacing.boxes) for n in alone)
    widest = max(sizes[node][0] for node in alone)
    limit = max(width, widest, (2 * area) ** 0.5)
    x, y = 0.0, bottom + (2 * spacing.boxes if bottom else 0.0)
    row_height = 0.0
    for node in alone:
        w, h = sizes[node]
        if x and x + w > limit:
            x, y, row_height = 0.0, y + row_height + spacing.boxes, 0.0
        boxes[node] = Box(x, y, w, h, 0)
        width = max(width, x + w)
        x += w + spacing.boxes
        row_height = max(row_height, h)
    return width, y + row_height
