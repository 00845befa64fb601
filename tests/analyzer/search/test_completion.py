"""Completions: what is offered, in which order, and that what is accepted parses."""

from __future__ import annotations

import pytest

from longpole.analyzer.search.completion import completion_report
from longpole.analyzer.traceql import parse_query
from longpole.model.clock import ManualClock
from longpole.storage.memory import MemoryStore
from tests.storage.span_examples import settle, span, submit_spans


@pytest.fixture
def store() -> MemoryStore:
    clock = ManualClock()
    store = MemoryStore(clock)
    submit_spans(
        store,
        span(1, 1, attributes={"http.route": 'a "b"', "code": 200, "ok": True, "odd key": "x"}),
        span(2, 1, attributes={"http.route": "c", "code": 200}, service_name="cart"),
        span(3, 1, attributes={"http.route": "c", "code": 7.5}),
    )
    settle(store, clock)
    return store


def offered(store: MemoryStore, text: str) -> list[str]:
    cursor = text.index("|")
    report = completion_report(store, text.replace("|", "", 1), cursor)
    return [option["text"] for option in report["options"]]


def test_the_service_comes_first_among_fields(store: MemoryStore) -> None:
    fields = offered(store, "{ |")
    assert fields[:2] == ["resource.service.name", "name"]
    assert {".http.route", '."odd key"', ".zone", "trace:id"} <= set(fields)
    assert offered(store, "|")[0] == "{ resource.service.name"


def test_what_begins_with_the_text_comes_before_what_holds_it(store: MemoryStore) -> None:
    assert offered(store, "{ na|") == ["name", "resource.service.name", "trace:rootName"]
    assert offered(store, "{ span.ht|") == ["span.http.route"]
    assert offered(store, "{ route|") == [".http.route"]


def test_comparisons_fit_the_type(store: MemoryStore) -> None:
    assert "=~" in offered(store, "{ name |")
    assert ">=" in offered(store, "{ .code |")
    assert offered(store, "{ status |") == ["=", "!="]
    assert offered(store, "{ .ok |") == ["=", "!="]
    assert "=~" not in offered(store, "{ duration |")


def test_values_are_those_that_occur_most_common_first(store: MemoryStore) -> None:
    assert offered(store, "{ resource.service.name = |") == ['"shop"', '"cart"']
    assert offered(store, "{ .http.route = |") == ['"c"', '"a \\"b\\""']
    assert offered(store, '{ .http.route = "a|') == ['"a \\"b\\""']
    assert offered(store, "{ .code = |") == ["200", "7.5"]
    assert offered(store, "{ rootName = |") == ['"op1"']
    assert offered(store, "{ status = |")[0] == "error"
    assert "1s" in offered(store, "{ trace:duration > |")
    assert offered(store, "{ name =~ |") == []
    assert offered(store, "{ trace:id = |") == []


def test_every_value_that_is_offered_parses(store: MemoryStore) -> None:
    for field in ("resource.service.name", "name", "kind", "status", "duration", ".http.route",
                  '."odd key"', ".ok", ".code", "rootServiceName"):  # fmt: skip
        values = offered(store, f"{{ {field} = |")
        assert values
        for value in values:
            (condition,) = parse_query(f"{{ {field} = {value} }}").conditions
            assert condition.value is not None
