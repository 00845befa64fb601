"""A map of callers and callees as shapes: what the template `parts/svg_map.html` draws.

    nodes, edges ─▶ boxes as wide as their names ─▶ `layered_layout` ─▶ MapDrawing

Numbers become looks here: width says how often an edge is called, red how much of it fails, ink
how much of the time on the critical path it is to blame for. Names stay as they came; the template
makes them inert.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from longpole.dashboards.inert_text import NAMELESS, inert
from longpole.dashboards.layer_lines import Line
from longpole.dashboards.layered_layout import Spacing, layered_layout

LONGEST_LABEL = 26  # characters; the whole name is in the title
# Of the bold name, of the line under it, of what stands on an arrow.
_BOLD, _SMALL, _ON_ARROW = 8.8, 6.1, 6.4
_PADDING, _NARROWEST = 34.0, 104.0
_LAYERS, _BESIDE_LABEL = 76.0, 52.0
_BOX_HEIGHT, _MARGIN = 44.0, 16.0
_THINNEST, _THICKEST = 1.2, 6.0
_TIP = 8.0  # how far the tip of an arrow reaches beyond its path
# From these shares on, an edge is drawn as failing, as much of the critical path.
_FAILING, _CRITICAL = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class MapNode:
    """One box: `kind` is service, database, queue, external or operation; `detail` the line under
    the name; `title` what is said on hovering and to a screen reader; `colour` a service name (""
    for none); `address` where the box leads to ("" for nowhere), made by us."""

    name: str
    kind: str
    detail: str
    title: str
    colour: str = ""
    address: str = ""
    error_share: float = 0.0
    critical_share: float = 0.0
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class MapEdge:
    """One arrow between places in the list of nodes. `is_async`: nobody waits for the answer."""

    source: int
    target: int
    calls: int
    title: str
    label: str = ""
    address: str = ""
    error_share: float = 0.0
    critical_share: float = 0.0
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A box at its place."""

    node: MapNode
    label: str
    x: float
    y: float
    width: float
    height: float
    looks: str
    ink_width: float


@dataclass(frozen=True, slots=True)
class DrawnEdge:
    """An arrow along an SVG path; `width` of its stroke, `ink_width` of the ink along it (0 for
    none), `label_x` and `label_y` where its label stands."""

    edge: MapEdge
    path: str
    width: float
    ink_width: float
    looks: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class MapDrawing:
    """All shapes and the size of the drawing in SVG units."""

    width: float
    height: float
    nodes: tuple[DrawnNode, ...]
    edges: tuple[DrawnEdge, ...]


def map_drawing(nodes: Sequence[MapNode], edges: Sequence[MapEdge]) -> MapDrawing:
    """The drawing of these nodes and edges, both in the order given."""
    labels = [_label(node.name) for node in nodes]
    sizes = [
        (_width(label, node.detail), _BOX_HEIGHT) for label, node in zip(labels, nodes, strict=True)
    ]
    ends = [(edge.source, edge.target) for edge in edges]
    widest = max((len(edge.label) for edge in edges), default=0) * _ON_ARROW
    layers = max(_LAYERS, round(widest + _BESIDE_LABEL, 1)) if edges else 40.0
    layout = layered_layout(sizes, ends, Spacing(layers=layers, boxes=16.0))
    most = max((edge.calls for edge in edges), default=1)
    drawn_nodes = tuple(
        DrawnNode(
            node,
            label,
            round(box.x + _MARGIN, 1),
            round(box.y + _MARGIN, 1),
            round(box.width, 1),
            box.height,
            _node_looks(node),
            round(box.width * min(1.0, max(0.0, node.critical_share)), 1),
        )
        for node, label, box in zip(nodes, labels, layout.boxes, strict=True)
    )
    drawn_edges = tuple(
        _drawn_edge(edge, line, most) for edge, line in zip(edges, layout.lines, strict=True)
    )
    return MapDrawing(
        round(layout.width + 2 * _MARGIN, 1),
        round(layout.height + 2 * _MARGIN, 1),
        drawn_nodes,
        drawn_edges,
    )


def _label(name: str) -> str:
    shown = inert(name[: LONGEST_LABEL + 1]) or NAMELESS
    return shown if len(shown) <= LONGEST_LABEL else shown[: LONGEST_LABEL - 1] + "…"


def _width(label: str, detail: str) -> float:
    longest = max(len(label) * _BOLD, len(detail) * _SMALL)
    return max(_NARROWEST, round(longest + _PADDING, 1))


def _node_looks(node: MapNode) -> str:
    looks = [node.kind]
    if node.error_share >= _FAILING:
        looks.append("failing")
    if node.critical_share >= _CRITICAL:
        looks.append("critical")
    if node.is_chosen:
        looks.append("chosen")
    return " ".join(looks)


def _drawn_edge(edge: MapEdge, line: Line, most: int) -> DrawnEdge:
    share = math.log1p(edge.calls) / math.log1p(most) if most > 0 else 0.0
    looks = ["edge"]
    if edge.is_async:
        looks.append("async")
    if edge.error_share >= _FAILING:
        looks.append("failing" if edge.error_share < 0.1 else "failing much")
    width = round(_THINNEST + (_THICKEST - _THINNEST) * share**2, 1)
    is_critical = edge.critical_share >= _CRITICAL
    points = [(x + _MARGIN, y + _MARGIN) for x, y in line.points]
    x, y = _label_place(points)
    ink = max(1.2, round(width * 0.55 * min(1.0, edge.critical_share), 1)) if is_critical else 0.0
    return DrawnEdge(
        edge, _path(points, line), width, ink, " ".join(looks), x, round(y - 3 - width / 2, 1)
    )


def _path(points: Sequence[tuple[float, float]], line: Line) -> str:
    """Level beside layers, an S between them; ends a tip before the box."""
    (x, y), *rest = points
    tip = _TIP if line.is_back or line.is_loop else -_TIP
    rest[-1] = (rest[-1][0] + tip, rest[-1][1])
    if line.is_loop:
        pairs = " ".join(f"{px:.1f} {py:.1f}" for px, py in rest)
        return f"M{x:.1f} {y:.1f}C{pairs}"
    pieces = [f"M{x:.1f} {y:.1f}"]
    for end_x, end_y in rest:
        if end_y == y:
            pieces.append(f"H{end_x:.1f}")
        else:
            half = (x + end_x) / 2
            pieces.append(f"C{half:.1f} {y:.1f} {half:.1f} {end_y:.1f} {end_x:.1f} {end_y:.1f}")
        x, y = end_x, end_y
    return "".join(pieces)


def _label_place(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Where a label stands: most of the way along the last stretch, since edges that leave a box
    together have come apart there. 0.66 and 0.78 are a point of the S that is drawn there."""
    (x1, y1), (x2, y2) = points[-2], points[-1]
    return round(x1 + (x2 - x1) * 0.66, 1), round(y1 + (y2 - y1) * 0.78, 1)
