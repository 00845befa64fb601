"""Words on the time ribbon: the number goes before the name is cut."""

from __future__ import annotations

from longpole.dashboards.ribbon_words import RibbonWords, ribbon_words


def test_a_wide_piece_has_name_and_number_on_any_page() -> None:
    assert ribbon_words("cart", 0.74) == RibbonWords("cart", "", "74 %", "")


def test_the_number_needs_a_wider_page_than_the_name() -> None:
    words = ribbon_words("inventory-service", 0.15)

    assert (words.name, words.name_class) == ("inventory-service", "from-90")
    assert ribbon_words("inventory-service", 0.25).number_class == "from-60"
    assert ribbon_words("inventory-service", 0.11) == RibbonWords("inventory-service", "from-90")


def test_a_name_is_cut_only_where_no_page_is_wide_enough_for_it() -> None:
    assert ribbon_words("inventory-service", 0.06) == RibbonWords("inventor…", "from-90")
    assert ribbon_words("x" * 5_000, 0.5).name.endswith("x…")
    assert ribbon_words("inventory-service", 0.02) == RibbonWords()


def test_wide_letters_take_more_room() -> None:
    assert ribbon_words("日本日本日本", 0.06).name == "日本日本日…"
    assert ribbon_words("orders", 0.06).name == "orders"
