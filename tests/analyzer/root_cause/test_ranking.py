"""Rank aggregation: what the combination of evidence promises, whatever the evidence is."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.root_cause.places import Evidence, EvidenceKind, Place
from longpole.analyzer.root_cause.ranking import ranked
from longpole.analyzer.root_cause.samples import change_of
from longpole.analyzer.root_cause.settings import RootCauseSettings

SETTINGS = RootCauseSettings()
PLACES = [Place(name) for name in "abcd"] + [Place("a", "b"), Place("c", "d")]


def evidence(kind: EvidenceKind, place: Place, strength: float) -> Evidence:
    return Evidence(kind, place, "op", strength, 0.0, strength, "grew", strength)


LISTS = st.lists(
    st.tuples(
        st.sampled_from(EvidenceKind),
        st.lists(st.tuples(st.sampled_from(PLACES), st.floats(0.01, 1)), max_size=4),
    ),
    max_size=5,
    unique_by=lambda pair: pair[0],
)


@given(LISTS, st.integers(0, 10))
def test_the_order_of_the_lists_does_not_matter(
    lists: list[tuple[EvidenceKind, list[tuple[Place, float]]]], seed: int
) -> None:
    made = [[evidence(kind, *pair) for pair in pairs] for kind, pairs in lists]
    expected = ranked(made, SETTINGS)
    Random(seed).shuffle(made)
    assert ranked(made, SETTINGS) == expected
    scores = [suspect.score for suspect in expected.suspects]
    assert scores == sorted(scores, reverse=True)


def test_no_evidence_is_no_clear_cause() -> None:
    assert not ranked([], SETTINGS).is_clear
    assert not ranked([[], []], SETTINGS).is_clear


def test_metrics_alone_accuse_nobody() -> None:
    alone = [[evidence(EvidenceKind.METRICS, Place("a"), 1.0)]]
    assert not ranked(alone, SETTINGS).is_clear


def test_evidence_of_traces_outweighs_logs_and_metrics_together() -> None:
    lists = [
        [evidence(EvidenceKind.LATENCY, Place("a"), 1.0)],
        [evidence(EvidenceKind.LOGS, Place("b"), 1.0)],
        [evidence(EvidenceKind.METRICS, Place("b"), 1.0)],
    ]
    assert ranked(lists, SETTINGS).suspects[0].place == Place("a")


def test_equal_strangers_are_not_separated_but_a_service_and_its_call_may_be() -> None:
    def first_two(other: Place) -> bool:
        lists = [
            [evidence(EvidenceKind.LATENCY, Place("a"), 1.0)],
            [evidence(EvidenceKind.ERRORS, other, 1.0)],
        ]
        return ranked(lists, SETTINGS).is_clear

    assert not first_two(Place("b"))
    assert first_two(Place("b", "a"))


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20), st.integers(0, 10))
def test_equal_samples_have_not_changed(values: list[int], seed: int) -> None:
    shuffled = list(values)
    Random(seed).shuffle(shuffled)
    change = change_of([(1.0, values, shuffled)])
    assert (change.amount, change.z, change.outliers) == (0.0, 0.0, 0)
