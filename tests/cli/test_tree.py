"""Which spans a terminal shows of a long trace, and that the others are counted."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from longpole.cli.render.tree import WHOLE_TREE, chosen, span_tree


def spans(*rows: tuple[int, str, bool], errors: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """(depth, operation, on_path) in tree order, one after another."""
    return [
        {"depth": depth, "service": "s", "operation": name, "on_path": on_path,
         "critical_ns": 10 if on_path else 0, "duration_ns": 10, "start_unix_nano": index * 10,
         "status": "error" if index in errors else "unset"}
        for index, (depth, name, on_path) in enumerate(rows)
    ]  # fmt: skip


def many(count: int) -> list[tuple[int, str, bool]]:
    return [(1, f"op {number}", False) for number in range(count)]


def shown(rows: list[dict[str, Any]], all_spans: bool = False) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(span_tree(rows, all_spans))
    return capture.get()


def test_a_short_trace_is_whole() -> None:
    rows = spans((0, "root", True), *many(WHOLE_TREE - 1))
    assert chosen(rows) == list(range(WHOLE_TREE))
    assert "more" not in shown(rows)


def test_a_long_trace_shows_the_path_the_errors_and_what_leads_there() -> None:
    rows = spans(
        (0, "root", True), *many(100), (1, "parent", False), (2, "pole", True), *many(100),
        errors=(50,),
    )  # fmt: skip
    assert chosen(rows) == [0, 50, 101, 102]
    text = shown(rows)
    assert [line.strip() for line in text.splitlines() if "more" in line] == [
        "… 49 more", "… 50 more", "… 100 more",
    ]  # fmt: skip


def test_all_spans_are_shown_when_asked_for() -> None:
    rows = spans((0, "root", True), *many(200))
    assert "more" not in shown(rows, all_spans=True)
    assert shown(rows, all_spans=True).count("op ") == 200


def test_a_run_of_like_siblings_is_shortened_but_not_its_errors_or_parents() -> None:
    like = [(1, "query", False)] * 6
    rows = spans((0, "root", True), *like, (2, "below the sixth", False), errors=(4,))
    assert chosen(rows) == [0, 1, 2, 4, 6, 7]


def test_a_chain_of_thousands_does_not_recurse_or_flood() -> None:
    rows = spans(*[(depth, f"op {depth}", depth % 100 == 0) for depth in range(20_000)])
    assert len(shown(rows).splitlines()) < 2_000


def test_zero_time_is_no_obstacle() -> None:
    rows = spans((0, "root", True))
    rows[0]["duration_ns"] = 0
    assert "root" in shown(rows)


def test_a_stray_span_does_not_squeeze_the_bars() -> None:
    rows = spans((0, "root", True), (1, "work", True), (1, "stray", False))
    rows[0] |= {"start_unix_nano": 10**18, "duration_ns": 1000}
    rows[1] |= {"start_unix_nano": 10**18, "duration_ns": 1000}
    rows[2] |= {"start_unix_nano": 0}
    console = Console(width=100)
    with console.capture() as capture:
        console.print(span_tree(rows, False, (10**18, 10**18 + 1000)))
    lines = capture.get().splitlines()
    assert lines[1].count("█") == lines[2].count("█") > 20
    assert "‹ 10 ns" in lines[3]
    assert "cut off" in lines[-1]
    assert "‹" not in lines[1] + lines[2]
