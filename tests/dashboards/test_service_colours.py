"""Colours of services: apart as long as there are enough, the same for everybody."""

from __future__ import annotations

from longpole.dashboards.service_colours import COLOURS, colour_class, colour_index, is_hatched
from tests.dashboards.web import Web, span


def test_the_first_services_of_a_store_never_share_a_colour() -> None:
    numbers = {f"svc-{number}": number for number in range(COLOURS)}
    assert len({colour_class(name, numbers) for name in numbers}) == COLOURS
    assert not any(is_hatched(name, numbers) for name in numbers)


def test_a_repeated_colour_has_a_hatch() -> None:
    assert colour_class("late", {"late": COLOURS + 3}) == "3 hatch"


def test_an_unknown_name_has_a_colour_of_its_own_making() -> None:
    assert colour_index("cart", {}) == colour_index("cart", {})
    assert 0 <= colour_index("\ud800", {}) < COLOURS
    assert not is_hatched("cart", {})


def test_a_page_shows_services_in_the_colours_of_its_store() -> None:
    # By their names alone, these two would have the same colour.
    first, second = "svc-0", "svc-34"
    assert colour_index(first, {}) == colour_index(second, {})
    web = Web([span(1, service_name=first), span(2, 1, service_name=second)])
    page = web.get(f"/traces/{span(1).trace_id:032x}").text
    assert 'class="key c0"' in page
    assert 'class="key c1"' in page
