"""Which clocks are off, from the calls of many traces."""

from __future__ import annotations

from random import Random

import pytest

from longpole.analyzer.clock_shift import NO_CLOCKS, Clocks
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls, trace_times
from longpole.model.span import SpanKind
from longpole.model.trace import Trace
from tests.analyzer.clocks.called_hosts import BEGIN_NS, MS, S, ahead, called, columns

AB = ("a", "b")


def judged(traces: list[Trace], at_ms: float = 0) -> Clocks:
    """The clocks at that time, after these traces."""
    history = ClockHistory()
    history.add(host_calls(columns(traces)))
    return history.clocks_at(BEGIN_NS + round(at_ms * MS))


def calls(count: int, every_ms: float = 100, hosts: tuple[str, str] = AB) -> list[Trace]:
    """Calls whose answers take between half and nine tenths of them."""
    random = Random(count)
    return [
        called(number, number * every_ms, hosts, (random.uniform(1, 5), random.uniform(6, 9)))
        for number in range(1, count + 1)
    ]


def test_clocks_that_agree_are_left_alone() -> None:
    assert judged(calls(50)) == NO_CLOCKS


def test_one_offset_puts_all_answers_into_their_calls() -> None:
    (shift,) = judged([ahead(one, {"b": 500}) for one in calls(50)], 5_000).shifts
    assert shift.host == "b"
    assert -501.5 * MS < shift.low_ns < -500 * MS < shift.high_ns < -498.5 * MS
    assert shift.offset_ns == shift.high_ns, "the correction nearest to none"
    assert shift.calls == 50


def test_a_clock_behind_is_shifted_forward() -> None:
    (shift,) = judged([ahead(one, {"b": -70}) for one in calls(50)]).shifts
    assert (shift.host, shift.offset_ns) == ("b", shift.low_ns)
    assert 68 * MS < shift.offset_ns < 70 * MS


def test_the_caller_is_shifted_where_others_agree_with_the_called_one() -> None:
    others = [one for host in "cde" for one in calls(20, hosts=(host, "b"))]
    traces = [ahead(one, {"a": 300}) for one in [*calls(20), *others]]
    history = ClockHistory()
    for place, one in enumerate(traces):
        history.add(host_calls(columns([Trace(place + 1, one.spans)])))
    (shift,) = history.clocks_at(BEGIN_NS).shifts
    assert shift.host == "a"
    assert -301.5 * MS < shift.offset_ns < -298.5 * MS


@pytest.mark.parametrize("hosts", [("a", "a"), ("", ""), ("a", ""), ("", "b")])
def test_one_host_or_an_unknown_one_is_never_shifted(hosts: tuple[str, str]) -> None:
    assert judged([called(1, 0, hosts, (502, 508))]) == NO_CLOCKS


@pytest.mark.parametrize(
    "kinds",
    [
        (SpanKind.PRODUCER, SpanKind.CONSUMER),
        (SpanKind.CLIENT, SpanKind.INTERNAL),
        (SpanKind.CLIENT, SpanKind.CONSUMER),
        (SpanKind.INTERNAL, SpanKind.SERVER),
    ],
)
def test_messages_and_work_that_nobody_waits_for_prove_nothing(kinds: tuple[int, int]) -> None:
    assert judged([called(1, 0, AB, (502, 508), kinds=kinds)]) == NO_CLOCKS


def test_an_answer_longer_than_its_call_proves_nothing() -> None:
    assert judged([called(1, 0, AB, (20, 90))]) == NO_CLOCKS


def test_a_call_that_gave_up_proves_nothing_by_a_late_answer() -> None:
    assert judged([called(1, 0, AB, (12, 18), error=True)]) == NO_CLOCKS


def test_servers_that_close_some_spans_late_are_no_skew() -> None:
    late = [called(1000 + n, n * 130, AB, (7, 13)) for n in range(10)]
    assert judged([*calls(50), *late]) == NO_CLOCKS


def test_few_wild_answers_do_not_hide_an_offset() -> None:
    skewed = [ahead(one, {"b": 500}) for one in calls(300)]
    wild = [called(1000 + n, 90 * n, AB, (-900 - n, -895 - n)) for n in range(2)]
    (shift,) = judged([*skewed, *wild], 30_000).shifts
    assert -501.5 * MS < shift.offset_ns < -498.5 * MS


def test_answers_at_random_times_are_called_unsteady_and_not_shifted() -> None:
    random = Random(1)
    away = [
        called(n, n, AB, (start, start + 5))
        for n in range(1, 40)
        for start in [random.uniform(20, 900)]
    ]
    assert judged(away) == Clocks(unsteady=(AB,))


def test_a_clock_that_jumps_is_off_from_then_on() -> None:
    traces = calls(100)
    seen = [*traces[:50], *(ahead(one, {"b": 500}) for one in traces[50:])]
    assert judged(seen, 3_000) == NO_CLOCKS
    (shift,) = judged(seen, 8_000).shifts
    assert -501.5 * MS < shift.offset_ns < -498.5 * MS


def test_a_clock_that_drifts_is_seen_minute_by_minute() -> None:
    traces = [ahead(one, {"b": 50 + place * 0.02}) for place, one in enumerate(calls(2_000, 200))]
    history = ClockHistory()
    history.add(host_calls(columns(traces)))
    for second in (100, 200, 390):
        (shift,) = history.clocks_at(BEGIN_NS + second * S).shifts
        assert abs(shift.offset_ns / MS + 50 + second * 5 * 0.02) < 2


def test_corrections_are_consistent_around_a_circle_of_hosts() -> None:
    off = {"b": 40.0, "c": -25.0}
    pairs = (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "a"))
    traces = [
        ahead(Trace(n * 10 + place, called(n * 10 + place, 100 * n, pair).spans), off)
        for n in range(20)
        for place, pair in enumerate(pairs)
    ]
    found = {shift.host: shift.offset_ns for shift in judged(traces).shifts}
    assert set(found) == {"b", "c"}
    assert -42 * MS <= found["b"] <= -38 * MS
    assert 23 * MS <= found["c"] <= 27 * MS


def test_the_order_of_rounds_does_not_show() -> None:
    traces = [ahead(one, {"b": 500}) for one in calls(400, 5)]
    one, other = ClockHistory(), ClockHistory()
    one.add(host_calls(columns(traces)))
    for begin in (300, 0, 100, 200, 0):
        other.add(host_calls(columns(traces[begin : begin + 100])))
    assert one.clocks_at(BEGIN_NS) == other.clocks_at(BEGIN_NS) != NO_CLOCKS


def test_a_trace_is_dated_by_its_root() -> None:
    whole = columns([ahead(called(1, 0, AB), {"b": -500}), called(2, 7, AB)])
    assert trace_times(whole) == [BEGIN_NS - 5 * MS, BEGIN_NS + 2 * MS]


def test_old_calls_are_forgotten() -> None:
    history = ClockHistory()
    history.add(host_calls(columns([ahead(one, {"b": 500}) for one in calls(50)])))
    assert history.clocks_at(BEGIN_NS)
    history.add(host_calls(columns([called(n, 900_000 + n, AB) for n in range(1, 40)])))
    assert history.clocks_at(BEGIN_NS + 900 * S) == NO_CLOCKS
    assert history.clocks_at(BEGIN_NS) == NO_CLOCKS
