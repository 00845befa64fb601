"""Ranking: the cause before what it causes, then by level, then by what mending saves."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.findings.ranking import Shown, causes, ranked


def shown(
    detector: str,
    severity: str = "warning",
    saving: int = 0,
    evidence: dict[int, set[int]] | None = None,
    above: dict[int, set[int]] | None = None,
    operations: set[tuple[str, str]] | None = None,
) -> Shown:
    spans = {t: frozenset(ids) for t, ids in (evidence or {}).items()}
    return Shown(
        detector, detector, severity, saving, max(1, len(spans)), spans,
        {t: frozenset(ids) | spans.get(t, frozenset()) for t, ids in (above or spans).items()},
        frozenset(operations or ()),
    )  # fmt: skip


def order(*found: Shown) -> list[str]:
    return [one.detector for one in ranked(found)]


def test_the_gravest_comes_first_then_what_saves_most() -> None:
    assert order(
        shown("chatty_service", "warning", 900),
        shown("n_plus_one_db", "critical", 10),
        shown("slow_db_query", "critical", 20),
    ) == ["slow_db_query", "n_plus_one_db", "chatty_service"]


def test_a_slow_query_below_explains_that_a_caller_gave_up() -> None:
    query = shown("slow_db_query", "warning", 10, {1: {7}}, {1: {7, 3, 1}})
    timeout = shown("client_timeout", "critical", 900, {1: {3}})
    assert order(timeout, query) == ["slow_db_query", "client_timeout"]
    assert causes([timeout, query]) == {"client_timeout": "slow_db_query"}


def test_what_is_elsewhere_explains_nothing() -> None:
    query = shown("slow_db_query", "warning", 10, {1: {7}}, {1: {7, 5}})
    timeout = shown("client_timeout", "critical", 900, {1: {3}})
    assert order(timeout, query) == ["client_timeout", "slow_db_query"]


def test_one_trace_of_many_explains_nothing() -> None:
    query = shown("slow_db_query", "warning", 10, {1: {3}})
    timeout = shown("client_timeout", "warning", 900, {1: {3}, 2: {3}, 3: {3}})
    assert causes([timeout, query]) == {}


def test_an_open_breaker_explains_the_failures_of_the_same_call_in_other_traces() -> None:
    call = {("order", "Charge")}
    breaker = shown("circuit_open", "critical", 0, {1: {7}}, operations=call)
    failing = shown("error_propagation", "critical", 500, {2: {3}}, operations=call)
    other = shown("error_propagation", "critical", 500, {2: {3}}, operations={("a", "b")})
    assert order(failing, breaker) == ["circuit_open", "error_propagation"]
    assert causes([other, breaker]) == {}


FOUND = st.builds(
    shown,
    st.sampled_from(
        ["pause", "slow_db_query", "retry_storm", "uninstrumented_gap", "client_timeout",
         "error_propagation", "log_burst", "unheard_of"]
    ),
    st.sampled_from(["info", "warning", "critical"]),
    st.integers(0, 99),
    st.dictionaries(st.integers(1, 3), st.sets(st.integers(1, 4), min_size=1), max_size=3),
)  # fmt: skip


@given(st.lists(FOUND, max_size=8, unique_by=lambda s: s.fingerprint), st.randoms())
def test_the_order_of_arrival_never_shows(found: list[Shown], chance: random.Random) -> None:
    expected = order(*found)
    chance.shuffle(found)
    assert order(*found) == expected


@given(st.lists(FOUND, max_size=8, unique_by=lambda s: s.fingerprint))
def test_a_cause_always_stands_before_what_it_causes(found: list[Shown]) -> None:
    places = {one.fingerprint: place for place, one in enumerate(ranked(found))}
    cause_of = causes(found)
    for symptom, cause in cause_of.items():
        if cause not in cause_of:
            assert places[cause] < places[symptom]
