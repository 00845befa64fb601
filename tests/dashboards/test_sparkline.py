"""Sparklines: a line with holes."""

from __future__ import annotations

from longpole.dashboards.sparkline import spark_area, spark_line


def test_the_largest_number_is_at_the_top_and_zero_at_the_bottom() -> None:
    assert spark_line([0, 5, 10]) == "M0.00 19.00L50.00 10.00L100.00 1.00"


def test_a_missing_number_is_a_hole() -> None:
    assert spark_line([1, 1, None, 1]) == "M0.00 1.00L33.33 1.00M99.50 1.00h1"
    assert spark_area([1, 1, None, 1]) == "M0.00 1.00L33.33 1.00V20H0.00Z"


def test_nothing_is_no_line() -> None:
    assert spark_line([]) == spark_line([None, None]) == ""
    assert spark_line([0, 0]) == "M0.00 19.00L100.00 19.00"
