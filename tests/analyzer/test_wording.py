"""Numbers in words."""

from __future__ import annotations

import pytest

from longpole.analyzer.wording import between_text, metric_text, quoted_query, times_text


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


def test_a_long_query_is_quoted_with_its_table_not_with_its_columns() -> None:
    columns = ", ".join(f"coalesce(extract(year from c{n}), ?)" for n in range(9))
    where = "FROM card_history WHERE card = ?"
    assert quoted_query(f"SELECT {columns} {where}") == f"SELECT … {where}"
    assert quoted_query(f"SELECT id {where}") == f"SELECT id {where}"
    for odd in (f"SELECT {columns}", f"SELECT ((({columns} {where}", f"UPDATE x SET {columns}"):
        assert len(quoted_query(odd)) == 100
        assert quoted_query(odd) == odd[:99] + "…"


def test_a_range_is_told_once_where_both_ends_read_the_same() -> None:
    assert between_text(2_000_000, 5_000_000) == "2 ms to 5 ms"
    assert between_text(2_000_000, 2_000_400) == "2 ms"
