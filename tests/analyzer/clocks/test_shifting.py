"""A trace with its clocks put right: recorded, reversible, the same settled and on the fly."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longpole.analyzer.clock_shift import (
    NO_CLOCKS,
    Clocks,
    ClockShift,
    clocks_of_text,
    clocks_text,
)
from longpole.analyzer.clocks.at_hand import clocks_of_traces
from longpole.analyzer.clocks.clock_history import ClockHistory
from longpole.analyzer.clocks.host_calls import host_calls
from longpole.analyzer.explain import explain
from longpole.analyzer.findings.clock_skew import CLOCK_SKEW
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.labels import Label
from longpole.analyzer.reports.clocks_nearby import (
    FEWEST_SETTLED,
    FRESH_NS,
    NearbyCalls,
    clocks_nearby,
)
from longpole.analyzer.reports.trace_report import trace_report
from longpole.analyzer.settle import settle_once
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.trace import Trace
from longpole.storage.memory import MemoryStore
from longpole.storage.search_ports import SearchedTraces
from tests.analyzer.arrow_traces import ListFeed
from tests.analyzer.clocks.called_hosts import MS, ahead, called, columns

AB = ("a", "b")
SKEWED = ahead(called(1, 0, AB), {"b": 500})
BACK = Clocks((ClockShift("b", -500 * MS, -502 * MS, -498 * MS, 1),))


def test_an_answer_comes_back_onto_the_path_of_its_call() -> None:
    as_sent, right = explain(SKEWED, clocks=NO_CLOCKS), explain(SKEWED, clocks=BACK)
    assert 3 not in {as_sent.spans.span_ids[s.span] for s in as_sent.segments}
    assert [(right.spans.span_ids[s.span], s.label) for s in right.segments] == [
        (1, Label.SELF), (2, Label.NET_REQUEST), (4, Label.SELF), (2, Label.NET_RESPONSE),
        (1, Label.SELF),
    ]  # fmt: skip
    assert right.completeness.skew_shifts == 1


def test_every_shift_is_named_and_can_be_undone() -> None:
    right = explain(SKEWED, clocks=BACK)
    (problem,) = [p for p in right.problems if p.code == "skew_shifted"]
    assert problem.message == (
        "The clock of b (stock) is ahead as 1 call to or from it show; its spans are shifted "
        "back by 500 ms."
    )
    assert (problem.count, problem.span_ids) == (2, (3, 4))
    report = trace_report(right, SKEWED, include_spans=True)
    assert report["shifts"] == [
        {"host": "b", "offset_ns": -500 * MS, "low_ns": -502 * MS, "high_ns": -498 * MS, "calls": 1}
    ]
    sent = {f"{one.span_id:016x}": one.start_unix_nano for one in SKEWED.spans}
    assert {s["span_id"]: s["sent_start_unix_nano"] for s in report["spans"]} == sent
    moved = {s["span_id"]: s["start_unix_nano"] - sent[s["span_id"]] for s in report["spans"]}
    assert list(moved.values()) == [0, 0, -500 * MS, -500 * MS]


def test_nothing_is_shifted_without_a_host_or_out_of_the_range_of_times() -> None:
    nameless = called(1, 0, ("a", ""))
    assert explain(nameless, clocks=BACK).offsets_ns == {}
    far = Clocks((ClockShift("b", -(1 << 62), 0, 0, 1),))
    assert explain(SKEWED, clocks=far).offsets_ns == {}
    assert explain(SKEWED, clocks=far).clocks == NO_CLOCKS


def test_unsteady_clocks_are_told_and_left_alone() -> None:
    found = explain(SKEWED, clocks=Clocks(unsteady=(AB, ("x", "y"))))
    assert found.clocks == Clocks(unsteady=(AB,))
    (problem,) = [p for p in found.problems if p.code == "skew_unsteady"]
    assert "a and b disagree by no steady amount" in problem.message


def test_the_detector_judges_times_as_sent() -> None:
    (raw,) = CLOCK_SKEW.look(explain(SKEWED, clocks=NO_CLOCKS), Thresholds())
    (right,) = CLOCK_SKEW.look(explain(SKEWED, clocks=BACK), Thresholds())
    assert (raw.service, raw.reason, raw.fingerprint) == ("stock", right.reason, right.fingerprint)
    assert right.service == "stock"
    assert "Its spans are shifted back by 500 ms here, which 1 call show" in right.action
    other = Clocks((ClockShift("a", 500 * MS, 0, 0, 9),))
    (caller,) = CLOCK_SKEW.look(explain(SKEWED, clocks=other), Thresholds())
    assert caller.service == "shop"
    assert caller.reason.startswith("The clock of a (shop) is behind that of b (stock) by 498 ms")


def test_a_settled_trace_is_explained_with_the_clocks_it_was_settled_with() -> None:
    traces = [ahead(called(n, 50 * n, AB, (1 + n % 4, 8)), {"b": 500}) for n in range(1, 30)]
    feed = ListFeed(traces)
    settle_once(feed, ManualClock())
    rows = feed.put[0].tables
    for place, row in enumerate(rows["traces"].to_pylist()):
        assert row["skew_shifts"] == 1
        again = explain(replace(traces[place], clocks=row["clocks"]))
        stored = [s for s in rows["path_segments"].to_pylist() if s["trace_lo"] == row["trace_lo"]]
        assert [(s.start_unix_nano, s.end_unix_nano, str(s.label)) for s in again.segments] == [
            (s["start_unix_nano"], s["end_unix_nano"], s["label"]) for s in stored
        ]


def test_a_trace_on_the_fly_takes_its_clocks_from_the_traces_around_it() -> None:
    clock = ManualClock()
    store = MemoryStore(clock, settle_after_seconds=0, settle_at_most_seconds=0)
    traces = [ahead(called(n, 50 * n, AB, (1 + n % 4, 8)), {"b": 500}) for n in range(1, 30)]
    for one in traces:
        store.submit(telemetry_of_spans(one.spans), 0).result()
    waiting = store.trace(7)
    assert waiting is not None
    assert waiting.clocks is None
    on_the_fly = clocks_nearby(store, waiting)
    assert on_the_fly.shifts
    settle_once(store, clock)
    settled = store.trace(7)
    assert settled is not None
    assert clocks_nearby(store, settled) == clocks_of_text(settled.clocks) == on_the_fly


class CountingStore(MemoryStore):
    """Counts the searches for neighbours."""

    looks = 0

    def search_traces(self, *asked: Any, **more: Any) -> SearchedTraces:
        self.looks += 1
        return super().search_traces(*asked, **more)


def test_traces_on_the_fly_share_a_look_at_the_settled_ones_around_them_for_some_seconds() -> None:
    clock = ManualClock()
    store = CountingStore(clock, settle_after_seconds=0, settle_at_most_seconds=0)

    def submit(*numbers: int) -> None:
        for n in numbers:
            one = ahead(called(n, 5 * n, AB, (1 + n % 4, 8)), {"b": 500})
            store.submit(telemetry_of_spans(one.spans), 0).result()

    submit(*range(1, FEWEST_SETTLED + 1))
    settle_once(store, clock)
    submit(200, 201)
    first, second = store.trace(200), store.trace(201)
    assert first is not None
    assert second is not None
    around = partial(NearbyCalls().around, clock)

    assert clocks_nearby(store, first, around).shifts
    assert clocks_nearby(store, second, around) == clocks_nearby(store, first, around)
    assert store.looks == 1
    clock.advance(FRESH_NS / 1e9)
    clocks_nearby(store, second, around)
    assert store.looks == 2


def test_a_later_revision_keeps_the_clocks_when_nothing_new_is_known() -> None:
    alone = replace(called(1, 0, AB), revision=1, clocks=clocks_text(BACK))
    feed = ListFeed([alone])
    settle_once(feed, ManualClock())
    assert clocks_of_text(feed.put[0].tables["traces"].to_pylist()[0]["clocks"]) == BACK


def test_clocks_are_kept_as_text_and_odd_text_is_none() -> None:
    both = replace(BACK, unsteady=(("a", 'b"c'),))
    assert clocks_of_text(clocks_text(both)) == both
    assert clocks_of_text("") == NO_CLOCKS == clocks_of_text('{"shifts": [1]}')
    assert clocks_of_text("{") == NO_CLOCKS
    assert clocks_of_text(None) is None
    assert json.loads(clocks_text(both))["shifts"][0]["host"] == "b"


hosts = st.sampled_from("abcde")
skewed_calls = st.lists(
    st.tuples(hosts, hosts, st.integers(0, 300), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=25,
)


@given(skewed_calls, st.dictionaries(hosts, st.integers(-900, 900), max_size=3))
def test_putting_clocks_right_once_is_enough(
    shapes: list[tuple[str, str, int, int, int]], off: dict[str, int]
) -> None:
    # Property 17 of the contract.
    traces = [
        ahead(called(n, at / 10, (a, b), (min(x, y), max(x, y))), off)
        for n, (a, b, at, x, y) in enumerate(shapes, 1)
    ]
    history = ClockHistory()
    history.add(host_calls(columns(traces)))
    clocks = clocks_of_traces(columns(traces))
    assert len(set(clocks)) == 1, "all within one tick's windows"
    right = []
    for one in traces:
        e = explain(one, clocks=clocks[0])
        by_host: dict[str | None, set[int]] = {}
        for i in range(len(e.spans)):
            host = e.spans.text(i, ("host.name",))
            by_host.setdefault(host, set()).add(e.spans.starts[i] - e.sent_start(i))
        assert all(len(moved) == 1 for moved in by_host.values()), "one clock for each host"
        times = {
            e.spans.span_ids[i]: (e.spans.starts[i], e.spans.ends[i]) for i in range(len(e.spans))
        }
        right.append(
            Trace(
                one.trace_id,
                tuple(
                    replace(
                        s,
                        start_unix_nano=times[s.span_id][0],
                        end_unix_nano=times[s.span_id][1],
                    )
                    for s in one.spans
                ),
            )
        )
    assert set(clocks_of_traces(columns(right))) == {NO_CLOCKS}
    if not off:
        assert clocks[0] == NO_CLOCKS
