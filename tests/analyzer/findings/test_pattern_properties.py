"""What holds for the detectors of service patterns on any trace whatever."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from longpole.analyzer.explain import explain
from longpole.analyzer.findings import (
    chains,
    circuit_open,
    clock_skew,
    cold_start,
    errors,
    queues,
    sagas,
    shared_database,
)
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, spans_of_whole_traces
from longpole.analyzer.verdict import verdict_of
from longpole.formats.rows import telemetry_of_spans
from longpole.model.clock import ManualClock
from longpole.model.finding import Finding
from longpole.model.span import AttributeValue, Resource, Span, SpanLink
from longpole.model.trace import Trace
from longpole.storage.memory import MemoryStore
from tests.analyzer.findings.stories import BEGIN_NS, TRACE_ID
from tests.analyzer.random_trees import any_spans

DETECTORS = tuple(
    detector
    for module in (
        errors, circuit_open, chains, sagas, queues, shared_database, cold_start, clock_skew,
    )
    for detector in module.DETECTORS
)  # fmt: skip
# From the first nanosecond on, so that small traces show everything.
EAGER = Thresholds(
    queue_lag_ns=1, poison_deliveries=1, chain_services=2, cold_start_ns=1, clock_skew_ns=1,
    circuit_open_ns=10**9,
)  # fmt: skip
NAMES = (
    "charge", "refund", "reserve", "release", "saga step charge", "saga compensate charge",
    "load model", "POST /orders", "DELETE /orders/{id}",
)  # fmt: skip
MESSAGES = ("", "", "circuit breaker is open", "table is locked", "ship: table is locked")


@st.composite
def eventful_traces(draw: st.DrawFn) -> Trace:
    """Up to 14 spans with the names, errors and attributes that detectors look for."""
    spans: list[Span] = []
    for place in range(draw(st.integers(1, 14))):
        parent = draw(st.integers(0, place)) if place else 0
        start = draw(st.integers(0, 30))
        service = draw(st.sampled_from(("order", "payment", "stock", "envoy")))
        message = draw(st.sampled_from(MESSAGES))
        attributes: dict[str, AttributeValue] = {
            key: value
            for key, value in {
                "db.system.name": "postgresql",
                "db.namespace": "shop",
                "db.operation.name": "UPDATE",
                "db.collection.name": "orders",
                "messaging.system": "kafka",
                "messaging.message.id": "m-1",
                "http.response.status_code": draw(st.sampled_from(("200", "404", "429", "503"))),
                "server.address": "stock",
            }.items()
            if draw(st.booleans())
        }
        spans.append(
            Span(
                trace_id=TRACE_ID,
                span_id=place + 1,
                parent_span_id=parent,
                name=draw(st.sampled_from(NAMES)),
                kind=draw(st.integers(0, 5)),
                start_unix_nano=BEGIN_NS + start,
                end_unix_nano=BEGIN_NS + start + draw(st.integers(0, 30)),
                service_name=service,
                status_code=draw(st.sampled_from((0, 0, 1, 2, 2))),
                status_message=message,
                attributes=attributes,
                links=(SpanLink(TRACE_ID, draw(st.integers(1, 14))),) if place % 3 == 2 else (),
                resource=Resource({"service.name": service, "host.name": f"node-{service[0]}"}),
            )
        )
    return Trace(TRACE_ID, tuple(spans))


def all_findings(trace: Trace) -> list[Finding]:
    explanation = explain(trace)
    return [found for detector in DETECTORS for found in detector.look(explanation, EAGER)]


@given(eventful_traces())
def test_a_finding_names_spans_of_its_trace_and_never_saves_more_than_the_path(
    trace: Trace,
) -> None:
    known = {span.span_id for span in trace.spans}
    services = {span.service_name for span in trace.spans} | {"stock", "kafka", "postgresql"}
    for finding in all_findings(trace):
        assert finding.span_ids
        assert len(set(finding.span_ids)) == len(finding.span_ids)
        assert set(finding.span_ids) <= known
        assert 0 <= finding.saving_ns <= explain(trace).duration_ns
        assert finding.service in services
        assert finding.reason.endswith(".")
        assert finding.action.endswith(".")
        assert len(finding.fingerprint) == 16
    explanation, loud = explain(trace), detect(explain(trace))
    assert verdict_of(explanation, loud, most=1) == verdict_of(explanation, loud)[:1]


@given(eventful_traces(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_shows(trace: Trace, chance: random.Random) -> None:
    shuffled = list(trace.spans)
    chance.shuffle(shuffled)
    assert all_findings(replace(trace, spans=tuple(shuffled))) == all_findings(trace)


@given(eventful_traces())
def test_columns_tell_the_same_as_objects(trace: Trace) -> None:
    clock = ManualClock()
    store = MemoryStore(clock, settle_after_seconds=0.0, settle_at_most_seconds=0.0)
    store.submit(telemetry_of_spans(trace.spans), clock.now_unix_nano()).result()
    ((_, spans),) = spans_of_whole_traces(store.whole_traces([TRACE_ID], ANALYSIS_ATTRIBUTES))
    store.close()
    explanation = explain(spans)
    found = [each for detector in DETECTORS for each in detector.look(explanation, EAGER)]
    assert found == all_findings(trace)


@given(any_spans())
def test_hostile_spans_are_looked_at_without_a_word_of_complaint(trace: Trace) -> None:
    all_findings(trace)


@pytest.mark.parametrize("identifier", ["error_propagation", "absorbed_error", "queue_lag"])
def test_random_traces_do_show_patterns(identifier: str) -> None:
    find(
        eventful_traces(),
        lambda trace: any(found.detector == identifier for found in all_findings(trace)),
        settings=settings(max_examples=5_000, phases=[Phase.generate], deadline=None),
    )
