"""Stacked bars of log levels."""

from __future__ import annotations

from longpole.dashboards.log_histogram import HEIGHT, fixed_words, log_histogram


def test_the_tallest_step_is_full_height_and_errors_stand_on_the_ground() -> None:
    report = {
        "start_unix_nano": 0,
        "step_ns": 10,
        "counts": {"info": [6, 0, 3], "error": [2, 0, 0]},
    }

    drawn = log_histogram(report)

    first, last = drawn.stacks
    assert [level for level, _, _ in first.pieces] == ["error", "info"]
    assert sum(height for _, _, height in first.pieces) == HEIGHT
    assert first.pieces[0][1] + first.pieces[0][2] == HEIGHT
    assert (last.start_unix_nano, last.end_unix_nano, last.total) == (20, 30, 3)
    assert drawn.totals == (("error", 2), ("info", 9))
    assert (drawn.start_unix_nano, drawn.end_unix_nano) == (0, 30)


def test_a_single_error_among_many_records_can_be_seen() -> None:
    report = {"start_unix_nano": 0, "step_ns": 1, "counts": {"info": [99_999], "error": [1]}}

    assert log_histogram(report).stacks[0].pieces[0][2] >= 1


def test_nothing_is_an_empty_histogram() -> None:
    drawn = log_histogram({"start_unix_nano": 0, "step_ns": 1, "counts": {}})

    assert (drawn.stacks, drawn.most) == ((), 0)


def test_the_longest_fixed_part_of_a_pattern_finds_its_records() -> None:
    assert fixed_words("<*> connected to <*> in <*> ms") == "connected to"
    assert fixed_words("<*>") == ""
