from __future__ import annotations

import itertools
import random
from collections import Counter

from shop.load.customers import HAMMERING_USER, basket, card, customers
from shop.load.journeys import JOURNEYS, choose


def test_the_load_on_each_user_stays_even() -> None:
    came = list(itertools.islice(customers(random.Random(1)), 49 * 7))
    assert set(Counter(came).values()) == {7}
    assert HAMMERING_USER not in came
    assert came[:49] != came[49:98]


def test_two_cards_of_a_hundred_are_declined() -> None:
    chance = random.Random(4)
    cards = [card("user-1", chance) for _ in range(20_000)]
    share = sum(token.startswith("declined") for token in cards) / len(cards)
    assert 0.015 < share < 0.025


def test_a_basket_holds_different_products_in_small_numbers() -> None:
    chance = random.Random(5)
    for _ in range(500):
        lines = basket(chance)
        skus = [str(line["sku"]) for line in lines]
        assert 1 <= len(lines) <= 3
        assert len(set(skus)) == len(skus)
        assert all(1 <= int(sku.removeprefix("sku-")) <= 40 for sku in skus)
        assert all(line["quantity"] in (1, 2) for line in lines)


def test_journeys_are_chosen_by_their_weight() -> None:
    chance = random.Random(6)
    chosen = Counter(choose(chance)[0] for _ in range(20_000))
    total = sum(weight for _, weight, _ in JOURNEYS)
    for name, weight, _ in JOURNEYS:
        assert abs(chosen[name] / 20_000 - weight / total) < 0.02
