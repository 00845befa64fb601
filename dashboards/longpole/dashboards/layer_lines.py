"""The lines of a layered drawing: where each edge leaves, bends and enters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# How far a loop reaches beyond its box, and the share of a side that edges may use.
LOOP = 14.0
_USED_SIDE = 0.7


@dataclass(frozen=True, slots=True)
class Box:
    """Where a box lies: its upper left corner and its size; `layer` counts from the left."""

    x: float
    y: float
    width: float
    height: float
    layer: int


@dataclass(frozen=True, slots=True)
class Line:
    """The way of one edge, from the box it leaves to the box it enters: (x, y) of its start, of
    its bends, of its end. `is_back`: it closes a cycle, so it leaves to the left. `is_loop`: it
    enters the box that it leaves."""

    points: tuple[tuple[float, float], ...]
    is_back: bool = False
    is_loop: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """An edge from left to right: its boxes, the nodes that are its bends, one for each layer
    between (or none), and whether it is drawn against its direction."""

    left: int
    right: int
    bends: tuple[int, ...]
    is_back: bool


def drawn_lines(
    ways: Sequence[Way],
    boxes: Sequence[Box],
    ys: Sequence[float],
    columns: Sequence[tuple[float, float]],
) -> tuple[Line, ...]:
    """One line for each way. `ys` are the middles of boxes and bends, `columns` where each layer
    begins and ends; beside the boxes of a layer a line runs level, so that it meets none."""
    starts, ends = _ports(ways, boxes, ys)
    lines: list[Line] = []
    for number, way in enumerate(ways):
        left, right = boxes[way.left], boxes[way.right]
        if way.left == way.right:
            lines.append(_loop(left))
            continue
        points = [(left.x + left.width, starts[number])]
        for layer, bend in enumerate(way.bends, start=left.layer + 1):
            points += [(x, ys[bend]) for x in columns[layer]]
        points.append((right.x, ends[number]))
        lines.append(Line(tuple(reversed(points) if way.is_back else points), way.is_back))
    return tuple(lines)


def _loop(box: Box) -> Line:
    x, y, step = box.x + box.width, box.y + box.height / 2, box.height / 4
    far = x + LOOP
    return Line(((x, y - step), (far, y - step), (far, y + step), (x, y + step)), is_loop=True)


def _ports(
    ways: Sequence[Way], boxes: Sequence[Box], ys: Sequence[float]
) -> tuple[list[float], list[float]]:
    """The height at which each way leaves its left box and enters its right one: spread over the
    side of the box in the order of where they come from, so that they do not cross there."""
    starts, ends = [0.0] * len(ways), [0.0] * len(ways)
    leaving: list[list[tuple[float, int]]] = [[] for _ in boxes]
    entering: list[list[tuple[float, int]]] = [[] for _ in boxes]
    for number, way in enumerate(ways):
        if way.left != way.right:
            stops = (way.left, *way.bends, way.right)
            leaving[way.left].append((ys[stops[1]], number))
            entering[way.right].append((ys[stops[-2]], number))
    for side, heights in ((leaving, starts), (entering, ends)):
        for box, others in zip(boxes, side, strict=True):
            others.sort()
            step = box.height * _USED_SIDE / max(1, len(others))
            first = box.y + box.height / 2 - step * (len(others) - 1) / 2
            for place, (_, number) in enumerate(others):
                heights[number] = first + place * step
    return starts, ends
