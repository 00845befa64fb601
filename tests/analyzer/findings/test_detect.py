"""Detection as a whole: order, levels, failing detectors, hostile traces, and the catalogue."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from loguru import logger

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.catalogue import BY_IDENTIFIER, DETECTORS
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import Span
from tests.analyzer.findings.calls_made import answer, call, explained, query, request
from tests.analyzer.span_builders import CASES, case_trace, span, trace


def test_every_detector_has_a_name_of_its_own_and_words() -> None:
    assert len(BY_IDENTIFIER) == len(DETECTORS)
    assert all(d.title and d.rule_in_words.endswith(".") for d in DETECTORS)


def test_identifiers_that_scripts_rely_on_are_there() -> None:
    assert {
        "n_plus_one_db", "n_plus_one_http", "redundant_call", "sequential_calls",
        "slow_db_query", "large_http_payload", "excessive_fanout", "chatty_service",
        "pool_wait", "retry_storm", "client_timeout", "timeout_inversion",
        "error_propagation", "absorbed_error", "circuit_open", "queue_lag",
        "poison_message", "shared_database", "deep_sync_chain", "cyclic_dependency",
        "saga_compensation", "saga_uncompensated", "uninstrumented_gap", "clock_skew",
        "cold_start",
    } <= set(BY_IDENTIFIER)  # fmt: skip


def two_faults() -> list[Span]:
    loop = [query(10 + i, i * 10, 9) for i in range(12)]
    return request(900, *loop, query(40, 130, 700, "SELECT 2 FROM b", name="SELECT b"))


def test_findings_come_with_the_greatest_saving_first() -> None:
    found = detect(explained(two_faults()))
    assert [f.detector for f in found] == ["slow_db_query", "n_plus_one_db"]
    assert found[0].saving_ns > found[1].saving_ns


def test_the_order_of_spans_changes_nothing() -> None:
    spans = two_faults()
    expected = detect(explained(spans))
    for seed in range(5):
        random.Random(seed).shuffle(spans)
        assert detect(explained(spans)) == expected


def test_a_detector_that_fails_is_logged_and_costs_nothing_else() -> None:
    def fail(explanation: Explanation, thresholds: Thresholds) -> Iterable[Finding]:
        raise ZeroDivisionError("a bug")

    broken = Detector("broken", "Broken", "Fails.", fail)
    lines: list[str] = []
    handle = logger.add(lambda line: lines.append(str(line)))
    try:
        found = detect(explained(two_faults()), detectors=[broken, *DETECTORS])
    finally:
        logger.remove(handle)
    assert [f.detector for f in found] == ["slow_db_query", "n_plus_one_db"]
    assert any("broken failed on trace" in line and "a bug" in line for line in lines)


def test_thresholds_are_arguments() -> None:
    strict = Thresholds(n_plus_one_calls=13, slow_db_query_ns=2_000_000_000)
    assert detect(explained(two_faults()), strict) == ()


def test_a_healthy_request_shows_nothing() -> None:
    spans = request(
        60,
        call(2, 1, 20, "http://users/users/7"),
        answer(3, 2, 2, 17, "users"),
        query(4, 4, 10, parent=3, service="users"),
        query(5, 25, 5),
        call(6, 31, 20, "http://stock/items/8"),
        answer(7, 6, 32, 17, "stock"),
        query(8, 34, 10, parent=7, service="stock"),
    )
    assert detect(explained(spans)) == ()


def test_a_trace_without_spans_or_length_shows_nothing() -> None:
    assert detect(explain(trace([]))) == ()
    assert detect(explained([span(1, 0, 5, 5)])) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_odd_shapes_are_looked_at_without_failing(case: dict[str, object]) -> None:
    failures: list[str] = []
    handle = logger.add(lambda line: failures.append(str(line)), level="ERROR")
    try:
        detect(explain(case_trace(case)[0]))
    finally:
        logger.remove(handle)
    assert failures == []


def test_random_traces_give_sound_findings() -> None:
    failures: list[str] = []
    handle = logger.add(lambda line: failures.append(str(line)), level="ERROR")
    try:
        for seed in range(300):
            check_random(random.Random(seed))
    finally:
        logger.remove(handle)
    assert failures == []


def check_random(rng: random.Random) -> None:
    ms = 1_000_000
    names = ("SELECT a", "GET /a", "GET /b", "db.pool.acquire", "process x", "reserve", "release")
    texts = {
        "db.query.text": ("SELECT 1 FROM a", "SELECT b FROM c WHERE d = 7", "'", ""),
        "url.full": ("http://a/b/1", "http://a/b/2", "nonsense", "http://[::1/x"),
        "error.type": ("timeout", "504", ""),
        "http.response.body.size": (5, "5", "x", 9_000_000, -1),
        "http.request.resend_count": (1, "x"),
    }
    spans = []
    for i in range(1, rng.randrange(2, 40)):
        start = rng.randrange(0, 900) * ms
        kept = {k: rng.choice(v) for k, v in texts.items() if rng.random() < 0.4}
        spans.append(
            span(
                i,
                rng.randrange(0, i),
                start,
                start + rng.randrange(-5, 900) * ms,
                service=rng.choice("abc"),
                name=rng.choice(names),
                kind=rng.randrange(0, 6),
                error=rng.random() < 0.3,
                attributes=kept,
            )
        )
    explanation = explained(spans)
    for finding in detect(explanation):
        assert 0 <= finding.saving_ns <= explanation.duration_ns
        assert set(finding.span_ids) <= set(explanation.spans.span_ids)
        assert finding.reason.endswith(".")
        assert finding.action.endswith(".")
        assert len(finding.fingerprint) == 16
        if finding.severity is not FindingSeverity.INFO and finding.saving_ns == 0:
            assert finding.detector in MATTERS_OFF_PATH, finding


# Their harm is not, or not only, that of the request that shows it.
MATTERS_OFF_PATH = {
    "retry_storm", "timeout_inversion", "error_propagation", "circuit_open", "queue_lag",
    "poison_message", "shared_database", "deep_sync_chain", "cyclic_dependency",
    "saga_compensation", "saga_uncompensated", "clock_skew",
}  # fmt: skip
