"""The layered drawing: nothing on top of anything, every edge there, always the same."""

from __future__ import annotations

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.dashboards.layer_lines import Box
from longpole.dashboards.layered_layout import Layout, layered_layout

SIZE = (100.0, 40.0)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[tuple[int, int]]]:
    sizes = draw(st.lists(st.tuples(st.floats(1, 300), st.floats(1, 80)), min_size=1, max_size=14))
    nodes = st.integers(0, len(sizes) - 1)
    return sizes, draw(st.lists(st.tuples(nodes, nodes), max_size=30))


def crossings(layout: Layout) -> int:
    """Pairs of straight pieces between the same layers that cross."""
    pieces = [
        (line.points[at], line.points[at + 1])
        for line in layout.lines
        for at in range(0, len(line.points) - 1, 2)
    ]
    return sum(
        a[0][0] == b[0][0] and (a[0][1] - b[0][1]) * (a[1][1] - b[1][1]) < 0
        for place, a in enumerate(pieces)
        for b in pieces[place + 1 :]
    )


def touches(box: Box, x: float, y: float) -> bool:
    return box.x < x < box.x + box.width and box.y + 1e-6 < y < box.y + box.height - 1e-6


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_no_two_boxes_overlap_and_all_lie_inside(
    graph: tuple[list[tuple[float, float]], list[tuple[int, int]]],
) -> None:
    sizes, edges = graph

    layout = layered_layout(sizes, edges)

    assert [(box.width, box.height) for box in layout.boxes] == sizes
    for place, one in enumerate(layout.boxes):
        assert min(one.x, one.y) >= -1e-6
        assert one.x + one.width <= layout.width + 1e-6
        assert one.y + one.height <= layout.height + 1e-6
        for other in layout.boxes[place + 1 :]:
            assert (
                one.x + one.width <= other.x + 1e-6
                or other.x + other.width <= one.x + 1e-6
                or one.y + one.height <= other.y + 1e-6
                or other.y + other.height <= one.y + 1e-6
            )


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_every_edge_is_a_line_from_its_box_to_its_box_through_no_other(
    graph: tuple[list[tuple[float, float]], list[tuple[int, int]]],
) -> None:
    sizes, edges = graph

    layout = layered_layout(sizes, edges)

    assert len(layout.lines) == len(edges)
    for (source, target), line in zip(edges, layout.lines, strict=True):
        leaves, enters = layout.boxes[source], layout.boxes[target]
        (x, y), (end_x, end_y) = line.points[0], line.points[-1]
        assert x == (leaves.x if line.is_back else leaves.x + leaves.width)
        assert leaves.y <= y <= leaves.y + leaves.height
        if not line.is_loop:
            assert end_x == (enters.x + enters.width if line.is_back else enters.x)
        assert enters.y <= end_y <= enters.y + enters.height
        # A line runs level beside a layer and bends between layers only.
        for (x1, y1), (x2, y2) in zip(line.points[1:-1:2], line.points[2:-1:2], strict=True):
            if not line.is_loop:
                assert y1 == y2
                assert not any(touches(box, (x1 + x2) / 2, y1) for box in layout.boxes)


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_the_same_graph_gives_the_same_drawing(
    graph: tuple[list[tuple[float, float]], list[tuple[int, int]]],
) -> None:
    assert layered_layout(*graph) == layered_layout(*graph)


def test_callers_stand_left_of_whom_they_call() -> None:
    layout = layered_layout([SIZE] * 4, [(0, 1), (1, 2), (0, 2), (2, 3)])

    assert [box.layer for box in layout.boxes] == [0, 1, 2, 3]
    assert len(layout.lines[2].points) == 4  # bends around the box between


def test_only_the_edge_that_closes_a_cycle_leads_back() -> None:
    layout = layered_layout([SIZE] * 3, [(0, 1), (1, 2), (2, 0)])

    assert [line.is_back for line in layout.lines] == [False, False, True]


def test_a_tree_has_no_crossings_whatever_the_order_of_its_edges() -> None:
    tree = [((child - 1) // 2, child) for child in range(1, 31)]
    random.Random(7).shuffle(tree)

    assert crossings(layered_layout([SIZE] * 31, tree)) == 0


def test_sweeps_untangle_what_the_order_of_boxes_tangles() -> None:
    # 0 and 1 call 2 and 3 crosswise; both are called by 4.
    layout = layered_layout([SIZE] * 5, [(4, 0), (4, 1), (0, 3), (1, 2)])

    assert crossings(layout) == 0


def test_boxes_without_edges_stand_in_rows_below() -> None:
    layout = layered_layout([SIZE] * 12, [(0, 1)])

    below = layout.boxes[2:]
    assert min(box.y for box in below) > layout.boxes[0].y + SIZE[1]
    assert len({box.y for box in below}) < len(below)


def test_nothing_at_all_is_an_empty_drawing() -> None:
    assert layered_layout([], []) == Layout(0.0, 0.0, (), ())


def test_a_thousand_boxes_take_less_than_a_second() -> None:
    chance = random.Random(3)
    edges = [(chance.randrange(max(1, node)), node) for node in range(1, 1000)]
    edges += [(chance.randrange(1000), chance.randrange(1000)) for _ in range(500)]

    begin = time.process_time()
    layered_layout([SIZE] * 1000, edges)

    assert time.process_time() - begin < 1.0


def test_a_chain_of_three_thousand_needs_no_recursion() -> None:
    layout = layered_layout([SIZE] * 3_000, [(node, node + 1) for node in range(2_999)])

    assert {box.y for box in layout.boxes} == {0.0}
