"""Kept documents: made once, for a while, whoever asks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest

from longpole.dashboards.recent_answers import MOST_KEPT, RecentAnswers
from longpole.model.clock import ManualClock

SECOND = 10**9


@dataclass
class On:
    clock: ManualClock


class Maker:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> dict[str, Any]:
        self.made += 1
        return {"number": self.made}


def test_a_document_is_made_once_while_it_is_young() -> None:
    clock, make = ManualClock(), Maker()
    recent = RecentAnswers(On(clock), 10 * SECOND)

    first = recent.of("a", make)
    clock.advance(9)
    assert recent.of("a", make) is first
    clock.advance(2)

    assert recent.of("a", make).document == {"number": 2}


def test_another_key_is_another_document() -> None:
    recent, make = RecentAnswers(On(ManualClock())), Maker()

    assert recent.of("a", make).document != recent.of("b", make).document


def test_two_who_ask_at_once_get_one_answer() -> None:
    recent, make = RecentAnswers(On(ManualClock())), Maker()
    is_asked = threading.Event()

    def slowly() -> dict[str, Any]:
        is_asked.set()
        is_asked_twice.wait(5)
        return make()

    is_asked_twice = threading.Event()
    threads = [threading.Thread(target=recent.of, args=("a", slowly)) for _ in range(2)]
    threads[0].start()
    assert is_asked.wait(5)
    threads[1].start()
    is_asked_twice.set()
    for thread in threads:
        thread.join(5)

    assert make.made == 1


def test_a_failure_is_not_kept() -> None:
    recent, make = RecentAnswers(On(ManualClock())), Maker()

    def fail() -> dict[str, Any]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recent.of("a", fail)
    assert recent.of("a", make).document == {"number": 1}


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    recent, make = RecentAnswers(On(ManualClock())), Maker()
    for number in range(MOST_KEPT):
        recent.of(str(number), make)
    recent.of("0", make)
    recent.of("one more", make)

    assert recent.of("0", make).document == {"number": 1}
    assert recent.of("1", make).document == {"number": MOST_KEPT + 2}
