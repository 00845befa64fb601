"""The service map: edges from parents, peers from attributes, and time that adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from longpole.analyzer.columnar.readiness import CompiledCore, Readiness
from longpole.analyzer.reports.service_map_report import service_map_report
from longpole.analyzer.service_map.map_spans import Reach
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.span import Resource, Span, SpanKind
from longpole.storage.memory import MemoryStore
from tests.analyzer.span_builders import span

MS = 1_000_000
SCHEMA = json.loads((Path(__file__).parents[3] / "docs/schemas/map.json").read_text())
CLIENT, SERVER = SpanKind.CLIENT, SpanKind.SERVER
PRODUCER, CONSUMER = SpanKind.PRODUCER, SpanKind.CONSUMER


def call(
    number: int, parent: int, begin: int, end: int, service: str, kind: SpanKind, **more: Any
) -> Span:
    """A span from `begin` to `end` in milliseconds."""
    return span(
        number, parent, begin * MS, end * MS, service=service, kind=kind,
        error=more.pop("error", False), attributes=more,
    )  # fmt: skip


def report(*spans: Span, focus: str | None = None, **how: Any) -> dict[str, Any]:
    store = MemoryStore(ManualClock(0))
    store.submit(telemetry_of_spans(spans), 0).result()
    document = service_map_report(store, TraceQuery(limit=1), focus, **how)
    jsonschema.validate(document, SCHEMA)
    return document


def edge(document: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    found: list[dict[str, Any]]
    found = [e for e in document["edges"] if (e["from"], e["to"]) == (source, target)]
    assert len(found) == 1
    return found[0]


def names(document: dict[str, Any]) -> set[str]:
    return {node["id"] for node in document["nodes"]}


SHOP = [
    call(1, 0, 0, 100, "web", SERVER),
    call(2, 1, 10, 90, "web", CLIENT),
    call(3, 2, 15, 85, "order", SERVER),
    call(4, 3, 20, 80, "order", CLIENT, **{"db.system.name": "postgresql", "server.address": "pg"}),
]


def test_an_edge_is_what_the_caller_saw() -> None:
    found = edge(report(*SHOP), "service:web", "service:order")

    assert (found["kind"], found["calls"], found["errors"]) == ("sync", 1, 0)
    assert found["p95_ns"] == 80 * MS
    assert found["examples"] == [
        {"which": "slowest", "trace_id": f"{SHOP[0].trace_id:032x}", "span_id": f"{2:016x}"}
    ]


def test_a_database_without_spans_of_its_own_is_a_node_with_its_system() -> None:
    document = report(*SHOP)

    (database,) = [n for n in document["nodes"] if n["kind"] == "database"]
    assert (database["id"], database["system"]) == ("database:pg", "postgresql")
    assert not database["is_instrumented"]
    assert edge(document, "service:order", "database:pg")["calls"] == 1


def test_the_time_of_all_nodes_is_the_time_of_the_path() -> None:
    document = report(*SHOP)

    own = {node["id"]: node["critical_ns"] for node in document["nodes"]}
    assert own == {
        "service:web": 30 * MS,  # what the network took is the caller's
        "service:order": 10 * MS,
        "database:pg": 60 * MS,
    }
    assert sum(own.values()) == document["critical_ns"] == 100 * MS


def test_an_edge_holds_all_time_below_it() -> None:
    document = report(*SHOP)

    assert edge(document, "service:web", "service:order")["critical_ns"] == 70 * MS
    assert edge(document, "service:order", "database:pg")["critical_share"] == 0.6


def test_errors_of_either_side_count_once() -> None:
    document = report(
        call(1, 0, 0, 100, "web", SERVER),
        call(2, 1, 10, 90, "web", CLIENT, error=True),
        call(3, 2, 15, 85, "order", SERVER, error=True),
        call(4, 1, 10, 95, "web", CLIENT, error=True),
        call(5, 4, 15, 85, "order", SERVER),
    )

    found = edge(document, "service:web", "service:order")
    assert (found["calls"], found["errors"], found["error_share"]) == (2, 2, 1.0)


def test_producers_and_consumers_meet_at_their_queue_across_traces() -> None:
    to_orders = {"messaging.destination.name": "orders", "messaging.system": "kafka"}
    document = report(
        call(1, 0, 0, 10, "order", SERVER),
        call(2, 1, 2, 4, "order", PRODUCER, **to_orders),
        replace(call(3, 0, 20, 50, "mail", CONSUMER, **to_orders), trace_id=7),
    )

    assert names(document) == {"service:order", "queue:orders", "service:mail"}
    assert edge(document, "service:order", "queue:orders")["kind"] == "async"
    assert edge(document, "queue:orders", "service:mail")["p95_ns"] == 30 * MS


def test_a_consumer_below_its_producer_is_not_also_a_direct_call() -> None:
    to_orders = {"messaging.destination.name": "orders"}
    document = report(
        call(1, 0, 0, 4, "order", PRODUCER, **to_orders),
        call(2, 1, 5, 50, "mail", CONSUMER, **to_orders),
        call(3, 2, 6, 40, "mail", CONSUMER, **to_orders),
    )

    assert sorted((e["from"], e["to"], e["calls"]) for e in document["edges"]) == [
        ("queue:orders", "service:mail", 1), ("service:order", "queue:orders", 1),
    ]  # fmt: skip


def test_a_peer_that_is_a_known_service_is_that_service() -> None:
    document = report(
        call(1, 0, 0, 100, "web", SERVER),
        call(2, 1, 10, 90, "web", CLIENT, **{"peer.service": "order"}),
        replace(call(3, 0, 0, 9, "order", SERVER), trace_id=7),
    )

    assert names(document) == {"service:web", "service:order"}


def test_the_span_of_a_driver_inside_that_of_its_mapper_is_one_call() -> None:
    document = report(
        call(1, 0, 0, 100, "web", SERVER),
        call(2, 1, 10, 90, "web", CLIENT, **{"db.system": "mysql"}),
        call(3, 2, 12, 88, "web", CLIENT, **{"db.system": "mysql"}),
    )

    assert edge(document, "service:web", "database:mysql")["calls"] == 1


def test_calls_that_name_nobody_are_counted() -> None:
    document = report(call(1, 0, 0, 100, "web", SERVER), call(2, 1, 10, 90, "web", CLIENT))

    assert document["coverage"]["unnamed_calls"] == 1
    assert names(document) == {"service:web"}


def test_parents_in_a_ring_and_unknown_parents_harm_nothing() -> None:
    document = report(
        call(1, 2, 0, 10, "a", SERVER),
        call(2, 1, 0, 10, "a", SERVER),
        call(3, 3, 0, 10, "b", SERVER),
        call(4, 99, 0, 10, "", SERVER),
    )

    assert names(document) == {"service:a", "service:b", "service:unknown_service"}


def test_focus_keeps_two_calls_in_either_direction() -> None:
    chain = [call(n, n - 1, n, 200 - n, f"s{n}", SERVER) for n in range(1, 8)]

    document = report(*chain, focus="s4")

    assert document["focus"] == "service:s4"
    assert names(document) == {f"service:s{n}" for n in (2, 3, 4, 5, 6)}
    assert document["node_count"] == 7


def test_focus_on_nobody_shows_all_and_says_so() -> None:
    document = report(*SHOP, focus="nobody")

    assert document["focus"] is None
    assert len(document["nodes"]) == 3
    assert "no service" in document["notices"][0]


def test_many_nodes_come_by_namespace_too() -> None:
    spans = [call(1, 0, 0, 1000, "s1", SERVER)]
    for number in range(2, 200):
        resource = Resource({"service.namespace": f"n{number % 4}"})
        one = call(number, 1, 1, 900, f"s{number}", SERVER, error=number == 2)
        spans.append(replace(one, resource=resource))

    clusters = report(*spans)["clusters"]

    assert {n["name"]: n["node_count"] for n in clusters["nodes"]} == {
        "(no namespace)": 1, "n0": 49, "n1": 49, "n2": 50, "n3": 50,
    }  # fmt: skip
    (failing,) = [e for e in clusters["edges"] if e["to"] == "namespace:n2"]
    assert (failing["calls"], failing["errors"], failing["edge_count"]) == (50, 1, 50)


def test_a_sample_scales_rates_and_says_what_it_is() -> None:
    many = [
        replace(call(1, 0, n * 100, n * 100 + 10, "web", SERVER), trace_id=n + 1)
        for n in range(100)
    ]

    document = report(*many, reach=Reach(traces=10))

    assert document["coverage"]["used"] == 10
    (node,) = document["nodes"]
    assert node["calls"] == 10
    assert node["calls_per_second"] == pytest.approx(100 / 0.91, rel=0.01)
    assert "10 of 100 traces" in document["notices"][0]


def test_a_clock_that_is_ahead_does_not_thin_out_the_rates() -> None:
    years = 200 * 365 * 86_400 * 1_000
    ahead = call(9, 0, years, years + 1, "clockless", SERVER)
    document = report(*SHOP, ahead, now_unix_nano=1_000 * MS)
    (web,) = (node for node in document["nodes"] if node["name"] == "web")
    assert web["calls_per_second"] == pytest.approx(1.0, rel=0.01)


def test_spans_end_the_reading_before_traces_do() -> None:
    many = [replace(call(1, 0, n, n + 10, "web", SERVER), trace_id=n + 1) for n in range(100)]

    document = report(*many, reach=Reach(spans=40, traces_a_read=20))

    assert document["coverage"]["used"] == 40


def test_compiled_loops_and_plain_code_give_the_same_map() -> None:
    # The repeated id makes the second trace odd, which the loops leave to the plain code.
    odd = [replace(one, trace_id=9) for one in (*SHOP, call(4, 3, 30, 40, "order", CLIENT))]
    ready = CompiledCore()
    ready._state = Readiness.READY

    assert report(*SHOP, *odd, core=ready) == report(*SHOP, *odd, core=CompiledCore())


def test_nothing_at_all_is_an_empty_map() -> None:
    document = service_map_report(MemoryStore(ManualClock(0)), TraceQuery())

    assert (document["nodes"], document["edges"], document["clusters"]) == ([], [], None)
