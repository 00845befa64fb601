"""What detectors found is the first line of a verdict; path time is still counted once."""

from __future__ import annotations

from longpole.analyzer.explain import explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.leads import leads
from longpole.analyzer.verdict import VerdictEntry, is_unusual, verdict_line, verdict_of
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import Span, SpanKind
from tests.analyzer.span_builders import span, trace

MS = 1_000_000
CLIENT, SERVER = SpanKind.CLIENT, SpanKind.SERVER
WARNING, CRITICAL = FindingSeverity.WARNING, FindingSeverity.CRITICAL


def root(end: int, *, error: bool = False) -> Span:
    return span(1, 0, 0, end * MS, service="cart", name="POST /price", kind=SERVER, error=error)


def query(span_id: int, start: int, end: int, text: str = "SELECT 1 FROM t") -> Span:
    return span(
        span_id, 1, start * MS, end * MS, service="cart", name="SELECT t", kind=CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": text},
    )  # fmt: skip


def judged(*spans: Span) -> tuple[VerdictEntry, ...]:
    e = explain(trace(spans))
    verdict = verdict_of(e, detect(e))
    assert sum(entry.critical_ns for entry in verdict) <= e.duration_ns
    return verdict


def test_a_finding_is_the_first_entry_with_its_reason_and_action() -> None:
    first, *others = judged(root(1000), query(2, 100, 900))
    finding = detect(explain(trace([root(1000), query(2, 100, 900)])))[0]
    assert (first.detector, first.service, first.operation) == ("slow_db_query", "cart", "SELECT t")
    assert (first.reason, first.advice) == (finding.reason, finding.action)
    assert (first.critical_ns, first.share) == (800 * MS, 0.8)
    assert [(o.detector, o.critical_ns) for o in others] == [(None, 200 * MS)]


def test_the_line_names_place_share_detector_reason_and_action() -> None:
    assert verdict_line(judged(root(1000), query(2, 100, 900))) == (
        "cart › SELECT t 80 %: slow_db_query: 1 query of postgresql took 800 ms: "
        "SELECT ? FROM t. Read the plan of this query (EXPLAIN): add the index it lacks, fetch "
        "less, or cache the answer."
    )


def test_all_calls_of_a_pattern_belong_to_its_finding_though_it_names_fifty() -> None:
    calls = [query(i + 2, i * 10, i * 10 + 9, f"SELECT {i} FROM t") for i in range(80)]
    first, *others = judged(root(800), *calls)
    assert (first.detector, first.critical_ns) == ("n_plus_one_db", 80 * 9 * MS)
    assert len(first.span_ids) == 50
    assert [o.critical_ns for o in others] == [80 * MS]


def test_attempts_and_the_pauses_between_them_belong_to_the_storm() -> None:
    attempts = [
        span(
            i + 2, 1, i * 30 * MS, (i * 30 + 20) * MS, service="cart", name="GET", kind=CLIENT,
            error=i < 5, attributes={"url.full": "http://bank/x", "http.request.method": "GET"},
        )
        for i in range(6)
    ]  # fmt: skip
    first, *others = judged(root(180), *attempts)
    assert first.detector == "retry_storm"
    assert first.critical_ns == 170 * MS
    assert sum(o.critical_ns for o in others) == 10 * MS


def test_two_findings_never_hold_the_same_time() -> None:
    verdict = judged(root(2000), query(2, 100, 800), query(3, 1400, 2000, "SELECT 2 FROM u"))
    assert [(v.detector, v.critical_ns // MS) for v in verdict] == [
        ("slow_db_query", 700),
        ("slow_db_query", 600),
        ("uninstrumented_gap", 700),
    ]


def test_what_is_wrong_beside_the_path_has_no_time_on_it() -> None:
    publish = span(2, 1, 0, 10 * MS, service="cart", name="send", kind=SpanKind.PRODUCER)
    late = span(3, 2, 5000 * MS, 5010 * MS, service="mail", name="process", kind=SpanKind.CONSUMER)
    first, *others = judged(root(20), publish, late)
    assert (first.detector, first.service, first.critical_ns) == ("queue_lag", "mail", 0)
    assert sum(o.critical_ns for o in others) == 20 * MS
    assert verdict_line((first,)).startswith("mail › process: queue_lag: A message waits")


def test_a_trace_without_warnings_is_not_unusual() -> None:
    verdict = judged(root(100), query(2, 10, 90))
    assert not is_unusual(verdict)
    assert verdict_line(verdict) == (
        "nothing unusual; 80 % in cart › SELECT t (waits for postgresql)"
    )


def test_missing_spans_make_a_gap_doubtful() -> None:
    lost = span(9, 77, 0, MS)
    first, *_ = judged(root(2000), lost)
    assert (first.detector, first.confidence) == ("uninstrumented_gap", "low")
    assert first.reason.endswith("so it may look worse than it is.")


def finding(
    detector: str, saving_ns: int = 0, severity: FindingSeverity = WARNING, *spans: int
) -> Finding:
    return Finding(detector, severity, 1, spans or (1,), "s", "o", saving_ns, "r.", "a.", detector)


def order(*findings: Finding, duration_ns: int = 1000) -> list[str]:
    forward = [f.detector for f in leads(findings, duration_ns)]
    assert forward == [f.detector for f in leads(findings[::-1], duration_ns)]
    return forward


def test_a_failure_comes_before_any_slowness() -> None:
    slow, failed = finding("slow_db_query", 900, CRITICAL), finding("saga_compensation", 5)
    assert order(slow, failed) == ["saga_compensation", "slow_db_query"]


def test_of_failures_the_gravest_comes_first() -> None:
    left = finding("saga_uncompensated", 0, CRITICAL)
    assert order(finding("error_propagation", 50), left)[0] == "saga_uncompensated"


def test_a_storm_comes_before_the_failure_that_ends_it_and_after_any_other() -> None:
    failed = finding("error_propagation", 0, WARNING, 7, 8)
    assert order(finding("retry_storm", 9, WARNING, 8, 9), failed)[0] == "retry_storm"
    assert order(finding("retry_storm", 9, WARNING, 3, 4), failed)[0] == "error_propagation"


def test_a_known_cause_comes_before_a_gap() -> None:
    assert order(finding("uninstrumented_gap", 600), finding("cyclic_dependency", 150)) == [
        "cyclic_dependency",
        "uninstrumented_gap",
    ]


def test_a_gap_that_holds_most_of_the_path_comes_before_what_holds_next_to_nothing() -> None:
    assert order(finding("uninstrumented_gap", 600), finding("shared_database")) == [
        "uninstrumented_gap",
        "shared_database",
    ]
    assert order(finding("uninstrumented_gap", 400), finding("shared_database"))[1] == (
        "uninstrumented_gap"
    )


def test_what_is_only_information_is_never_a_lead() -> None:
    assert order(finding("absorbed_error", 900, FindingSeverity.INFO)) == []
