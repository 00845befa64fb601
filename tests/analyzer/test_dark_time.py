"""Dark time: which parts of a path no span explains, and where they lie."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analyzer.correlation.dark_time import gaps_of
from longpole.analyzer.explain import explain
from longpole.analyzer.labels import Label
from longpole.model.span import Span
from longpole.model.trace import Trace
from tests.analyzer.findings.calls_made import MS, answer, call, explained, query, request
from tests.analyzer.random_trees import any_spans, trees


def gaps(spans: list[Span], least_ms: float = 1) -> list[tuple[int, str]]:
    e = explained(spans)
    return [(gap.length_ns // MS, gap.where) for gap in gaps_of(e, round(least_ms * MS))]


def test_gaps_are_named_by_the_calls_around_them() -> None:
    spans = request(100, query(2, 10, 5, name="SELECT a"), query(3, 40, 5, name="SELECT b"))
    assert gaps(spans) == [
        (55, "after SELECT b"), (25, "between SELECT a and SELECT b"), (10, "before SELECT a"),
    ]  # fmt: skip
    assert gaps(spans, least_ms=20) == gaps(spans)[:2]


def test_a_request_without_any_child_is_all_dark() -> None:
    assert gaps(request(100)) == [(100, "all of it")]


def test_the_legs_between_caller_and_callee_are_gaps_between_services() -> None:
    spans = request(50, call(2, 5, 40, "http://b/", name="GET /b"), answer(3, 2, 20, 20, "b"))
    assert (15, "on the way to b") in gaps(spans)
    assert (5, "on the way back from b") in gaps(spans)


def test_a_call_to_what_sends_no_spans_names_itself() -> None:
    assert gaps(request(50, query(2, 0, 50))) == []


@settings(max_examples=60)
@given(st.one_of(trees(), any_spans()))
def test_gaps_are_parts_of_the_path_and_never_overlap(trace: Trace) -> None:
    e = explain(trace)
    found = sorted((g.start_unix_nano, g.end_unix_nano) for g in gaps_of(e, 1))
    assert all(a[1] <= b[0] for a, b in zip(found, found[1:], strict=False))
    assert sum(end - start for start, end in found) <= e.duration_ns
    held = {(s.start_unix_nano, s.end_unix_nano) for s in e.segments if s.label != Label.NET_WAIT}
    assert set(found) <= held
