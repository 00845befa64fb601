"""Template changes: what is new, more frequent, or gone, whatever the order of records."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.correlation.log_lines import LogLine, is_same_instance, level_of
from longpole.analyzer.correlation.template_changes import patterns_of, rate_z

ONE = {"a": 1.0}


def lines(count: int, body: str, start: int = 0, service: str = "a") -> list[LogLine]:
    return [LogLine(start + n, service, 9, "", f"{body} {n}") for n in range(count)]


def states(now: list[LogLine], before: list[LogLine]) -> dict[str, str]:
    return {p.template: str(p.state) for p in patterns_of(now, before, ONE, ONE)}


def test_each_state_has_its_rule() -> None:
    now = [*lines(40, "more of this"), *lines(9, "a new one"), *lines(10, "as ever")]
    before = [*lines(10, "more of this"), *lines(12, "as ever"), *lines(5, "once was")]
    assert states(now, before) == {
        "more of this <*>": "more", "a new one <*>": "new", "as ever <*>": "same",
        "once was <*>": "gone",
    }  # fmt: skip
    assert states(before, now)["more of this <*>"] == "less"


def test_records_are_counted_by_their_own_level_beside_the_gravest() -> None:
    warned = [LogLine(100, "a", 13, "", "answered 500")]
    (pattern,) = patterns_of([*lines(3, "answered"), *warned], [], ONE, ONE)
    assert (pattern.severity, dict(pattern.levels)) == (13, {"info": 3, "warn": 1})
    (gone,) = patterns_of([], lines(2, "answered"), ONE, ONE)
    assert dict(gone.levels) == {"info": 2}


def test_twice_as_many_spans_log_twice_as_much() -> None:
    now, before = lines(80, "served"), lines(40, "served")
    (pattern,) = patterns_of(now, before, {"a": 200.0}, {"a": 100.0})
    assert (str(pattern.state), pattern.rate, pattern.baseline_rate) == ("same", 0.4, 0.4)


def test_without_exposure_nothing_is_compared() -> None:
    (pattern,) = patterns_of(lines(80, "served"), [], ONE, {})
    assert (str(pattern.state), pattern.z, pattern.count) == ("same", 0.0, 80)


def test_the_example_is_the_first_record() -> None:
    (pattern,) = patterns_of(lines(5, "x", start=10)[::-1], lines(5, "x", start=99), ONE, ONE)
    assert pattern.example.body == "x 0"
    assert pattern.example.time_unix_nano == 10


LINES = st.lists(
    st.builds(
        LogLine,
        st.integers(0, 9),
        st.sampled_from(["a", "b"]),
        st.integers(0, 24),
        st.just(""),
        st.sampled_from(["one thing", "thing 1", "thing 2", "another\nline", ""]),
    ),
    max_size=12,
)


@settings(max_examples=50)
@given(LINES, LINES, st.integers(0, 99))
def test_the_order_of_records_does_not_matter(
    now: list[LogLine], before: list[LogLine], seed: int
) -> None:
    exposure = {"a": 2.0, "b": 3.0}
    expected = patterns_of(now, before, exposure, exposure)
    Random(seed).shuffle(now)
    Random(seed + 1).shuffle(before)
    assert patterns_of(now, before, exposure, exposure) == expected


@settings(max_examples=50)
@given(LINES)
def test_equal_windows_have_no_changes(now: list[LogLine]) -> None:
    exposure = {"a": 2.0, "b": 3.0}
    found = patterns_of(now, now, exposure, exposure)
    assert {str(one.state) for one in found} <= {"same"}
    assert sum(one.count for one in found) == len(now)


@given(st.integers(0, 500), st.integers(0, 500), st.floats(0.1, 100), st.floats(0.1, 100))
def test_a_rate_is_as_much_above_as_the_other_is_below(
    count: int, before: int, exposure: float, exposure_before: float
) -> None:
    z = rate_z(count, exposure, before, exposure_before)
    if count / exposure > 1.01 * before / exposure_before + 1 / exposure:
        assert z > 0
    if count == before and exposure == exposure_before:
        assert z == 0


def test_levels_come_from_numbers_or_from_words() -> None:
    assert [level_of(*one) for one in [(17, ""), (0, "Warning"), (0, "?"), (24, "info")]] == [
        "error", "warn", "", "fatal",
    ]  # fmt: skip


def test_the_most_telling_key_that_both_have_decides_which_process_it_was() -> None:
    pod = (("k8s.pod.name", "p1"), ("host.name", "h"))
    assert is_same_instance(pod, (("k8s.pod.name", "p1"), ("host.name", "other")))
    assert not is_same_instance(pod, (("k8s.pod.name", "p2"), ("host.name", "h")))
    assert is_same_instance(pod, (("host.name", "h"),))
    assert is_same_instance(pod, ())
