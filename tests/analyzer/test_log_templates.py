"""Log templates: records of one statement are known as such, whatever is in them."""

from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.log_templates import OTHER, templates_of


def test_numbers_and_ids_are_variables() -> None:
    assert templates_of(
        [
            "connected to 10.0.0.7:5432 in 12 ms",
            "connected to db1.example:5432 in 3.5 ms",
            "GET /users/7 took=12ms",
            "order 9f8e7d6c-1111-2222-3333-444455556666 is paid",
        ]
    ) == [
        "connected to <*> in <*> ms",
        "connected to <*> in <*> ms",
        "GET /users/<*> took=<*>",
        "order <*> is paid",
    ]


def test_one_word_of_several_is_a_variable() -> None:
    texts = [f"user {name} has logged in" for name in ("alice", "bob", "carol")]
    assert set(templates_of(texts)) == {"user <*> has logged in"}


def test_different_statements_stay_apart() -> None:
    texts = [
        "order created",
        "order cancelled",
        "payment created",
        "cache is warm",
        "cache is cold",
    ]
    assert templates_of(texts) == texts


def test_the_error_of_a_traceback_is_its_last_line() -> None:
    body = "Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'stock'"
    assert templates_of([body]) == ["KeyError: 'stock'"]


def test_of_several_lines_the_first_counts() -> None:
    assert templates_of(["\n  refused: no stock\n  at shop.py 12", ""]) == ["refused: no stock", ""]


def test_the_number_of_templates_is_capped() -> None:
    texts = ["".join(chr(97 + int(d)) for d in str(n)) for n in range(100, 400)]
    templates = templates_of(texts, most_templates=50)
    assert len(set(templates) - {OTHER}) == 50
    assert templates.count(OTHER) == 250


TEXTS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.lists(st.sampled_from(["a", "b", "c", "7", "<*>", "=", "\n", "x9"]), max_size=9).map(
            " ".join
        ),
    ),
    max_size=30,
)


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_records_never_shows(texts: list[str], order: random.Random) -> None:
    expected = dict(zip(texts, templates_of(texts), strict=True))
    shuffled = texts[:]
    order.shuffle(shuffled)
    assert dict(zip(shuffled, templates_of(shuffled), strict=True)) == expected


@given(TEXTS)
def test_equal_texts_have_equal_templates_and_any_text_has_one(texts: list[str]) -> None:
    templates = templates_of(texts + texts)
    assert templates[: len(texts)] == templates[len(texts) :]


def test_hostile_text_takes_no_more_time_than_its_length() -> None:
    hostile = ["a" * 300_000, "a." * 150_000, "-" * 300_000, "<*>" * 100_000, "a-" * 5_000 + "1"]
    hostile += [" ".join(random.Random(n).choices("abcdef", k=60)) for n in range(3_000)]
    begin = time.process_time()
    assert len(templates_of(hostile)) == len(hostile)
    assert time.process_time() - begin < 5
