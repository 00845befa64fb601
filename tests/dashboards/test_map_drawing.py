"""The drawing of a map: looks say what numbers say, and telemetry stays text."""

from __future__ import annotations

from longpole.dashboards.map_drawing import LONGEST_LABEL, MapEdge, MapNode, map_drawing
from longpole.dashboards.pages.rendering import macro


def node(name: str, **more: object) -> MapNode:
    return MapNode(name, "service", "9/s", f"{name}: 9 calls", **more)  # type: ignore[arg-type]


def test_an_edge_is_wider_the_more_it_is_called() -> None:
    nodes = [node("a"), node("b"), node("c")]
    edges = [MapEdge(0, 1, 10, "few"), MapEdge(0, 2, 1000, "many")]

    few, many = map_drawing(nodes, edges).edges

    assert few.width < many.width


def test_failing_and_critical_edges_look_so() -> None:
    nodes = [node("a"), node("b")]
    edges = [
        MapEdge(0, 1, 10, "fails", error_share=0.02),
        MapEdge(0, 1, 10, "fails much", error_share=0.5),
        MapEdge(0, 1, 10, "decides", critical_share=0.9),
        MapEdge(0, 1, 10, "nothing"),
    ]

    looks = [(drawn.looks, drawn.ink_width > 0) for drawn in map_drawing(nodes, edges).edges]

    assert looks == [
        ("edge failing", False), ("edge failing much", False), ("edge", True), ("edge", False),
    ]  # fmt: skip


def test_a_long_name_is_cut_in_its_box_and_whole_in_its_title() -> None:
    name = "n" * 200

    drawn = map_drawing([node(name)], []).nodes[0]

    assert len(drawn.label) == LONGEST_LABEL
    assert name in drawn.node.title


def test_markup_in_names_stays_text() -> None:
    hostile = "</text><script>alert(1)</script>\u202e"

    svg = macro("parts/svg_map.html", "svg_map")(map_drawing([node(hostile)], []), "Map")

    assert "<script>" not in svg
    assert "\u202e" not in svg


def test_every_arrow_and_box_with_an_address_is_a_link() -> None:
    nodes = [node("a", address="/services/a"), node("b")]
    edges = [MapEdge(0, 1, 1, "a calls b", address="/traces?q=x&since=1h")]

    svg = macro("parts/svg_map.html", "svg_map")(map_drawing(nodes, edges), "Map")

    assert '<a href="/services/a" class="node service"' in svg
    assert 'href="/traces?q=x&amp;since=1h"' in svg
