"""Numbers in words."""

from __future__ import annotations

import pytest

from longpole.analyzer.wording import metric_text, times_text


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (3.04, "3.0 times"),
        (9.94, "9.9 times"),
        (9.96, "about 10 times"),
        (99.6, "about 100 times"),
        (14409.5, "about 14,000 times"),
    ],
)
def test_big_ratios_are_round(ratio: float, words: str) -> None:
    assert times_text(ratio) == words


@pytest.mark.parametrize(
    ("unit", "aspect", "words"),
    [
        ("s", "value", "0.04278 s"),
        ("s", "mean", "0.04278 s on average"),
        ("s", "rate", "0.04278 a second"),
        ("1", "value", "0.04278"),
        ("{request}", "value", "0.04278"),
        ("", "mean", "0.04278 on average"),
    ],
)
def test_a_metric_has_its_unit(unit: str, aspect: str, words: str) -> None:
    assert metric_text(0.042779, unit, aspect) == words
