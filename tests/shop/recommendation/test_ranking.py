"""Ranking: what the model makes of what was bought."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shop.inventory.tables import PRODUCTS
from shop.recommendation.contract import BESTSELLERS
from shop.recommendation.model import read_model

MODEL = read_model()


def test_the_model_knows_every_product_by_its_name() -> None:
    names = {sku: name for sku, name, *_ in PRODUCTS}
    assert {sku: item.name for sku, item in MODEL.items.items()} == names
    assert {item.sku: item.name for item in BESTSELLERS}.items() <= names.items()


def test_what_nobody_bought_is_ranked_by_its_prior() -> None:
    best = MODEL.popular({}, 5)
    assert [item.sku for item in best] == [item.sku for item in BESTSELLERS]
    assert [item.score for item in best] == sorted((item.score for item in best), reverse=True)


def test_what_is_bought_most_comes_first() -> None:
    best = MODEL.popular({"sku-40": 90, "sku-39": 80, "sku-1": 1, "sku-unknown": 5}, 2)
    assert [item.sku for item in best] == ["sku-40", "sku-39"]


def test_personal_is_what_shares_traits_with_what_this_person_bought() -> None:
    best = MODEL.personal({"sku-1": 90}, {"sku-40": 3, "sku-gone": 1}, 6)
    liked = MODEL.items["sku-40"].traits
    assert best[0].sku == "sku-40"
    assert all(MODEL.items[item.sku].traits & liked for item in best)


def test_without_purchases_of_their_own_people_see_the_popular_ones() -> None:
    popular = MODEL.popular({"sku-9": 3}, 40)
    personal = MODEL.personal({"sku-9": 3}, {}, 40)
    assert [item.sku for item in personal] == [item.sku for item in popular]


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text("not JSON")
    with pytest.raises(json.JSONDecodeError):
        read_model(file)
