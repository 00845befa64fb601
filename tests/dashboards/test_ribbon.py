"""The ribbon has no holes, however many segments there are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longpole.dashboards.ribbon import MAX_PIECES, WIDTH, ribbon


def segments(*lengths: tuple[str, int], start: int = 1_700_000_000_000_000_000) -> list[Any]:
    made = []
    for service, length in lengths:
        made.append(
            {"service": service, "operation": f"op {service}", "label": "self",
             "start_unix_nano": start, "end_unix_nano": start + length}
        )  # fmt: skip
        start += length
    return made


def test_neighbours_of_one_service_are_one_piece() -> None:
    pieces = ribbon(segments(("web", 10), ("web", 30), ("cart", 60)))
    assert [(p.service, p.x, p.width, p.duration_ns) for p in pieces] == [
        ("web", 0, 400, 40),
        ("cart", 400, 600, 60),
    ]
    assert sum(piece.share for piece in pieces) == 1


def test_nothing_gives_nothing() -> None:
    assert ribbon([]) == []
    assert ribbon(segments(("web", 0))) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 10**6)), min_size=1, max_size=900))
def test_pieces_cover_the_whole_width(lengths: list[tuple[str, int]]) -> None:
    pieces = ribbon(segments(*lengths))
    assert len(pieces) <= MAX_PIECES
    at = 0.0
    for piece in pieces:
        assert abs(piece.x - at) < 1e-6
        at = piece.x + piece.width
    assert abs(at - WIDTH) < 1e-6
    assert sum(piece.duration_ns for piece in pieces) == sum(length for _, length in lengths)
