"""N+1 and redundant calls: what they are, what they would save, and what only looks like them."""

from __future__ import annotations

import pytest

from longpole.model.finding import FindingSeverity
from longpole.model.span import Span, SpanKind
from tests.analyzer.findings.calls_made import MS, SQL, answer, call, found, one, query, request
from tests.analyzer.span_builders import span


def queries(count: int, ms: float = 9.0, text: str = SQL, step: float = 10.0) -> list[Span]:
    return [query(2 + i, i * step, ms, text.replace("#", str(i))) for i in range(count)]


def test_queries_in_a_loop_are_one_finding_that_saves_all_but_one() -> None:
    finding = one(request(200, *queries(12)), "n_plus_one_db")
    # 12 queries of 9 ms on the path: one of usual length does for all.
    assert finding.saving_ns == 12 * 9 * MS - 9 * MS
    assert (finding.service, finding.operation) == ("orders", "SELECT lines")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.span_ids == tuple(range(2, 14))
    assert "12 queries" in finding.reason
    assert "order_id = ?" in finding.reason
    assert "−99 ms" in finding.action


def test_twenty_queries_in_a_loop_are_critical() -> None:
    assert one(request(300, *queries(20)), "n_plus_one_db").severity is FindingSeverity.CRITICAL


def test_other_queries_in_between_do_not_hide_an_n_plus_one() -> None:
    spans: list[Span] = []
    for i in range(8):
        spans.append(query(10 + i, i * 20, 9, SQL))
        spans.append(query(30 + i, i * 20 + 10, 9, "SELECT a FROM b WHERE c = $1", name="SELECT b"))
    findings = found(request(200, *spans), "n_plus_one_db")
    assert {f.operation for f in findings} == {"SELECT lines", "SELECT b"}
    assert len({f.fingerprint for f in findings}) == 2


def test_queries_behind_wrappers_of_their_own_are_one_pattern() -> None:
    spans: list[Span] = []
    for i in range(6):
        spans.append(span(10 + i, 1, i * 20 * MS, (i * 20 + 15) * MS, service="orders", name="map"))
        spans.append(query(30 + i, i * 20 + 1, 10, parent=10 + i))
    assert one(request(150, *spans), "n_plus_one_db").saving_ns == 50 * MS


def test_queries_with_literals_are_an_n_plus_one_and_not_redundant() -> None:
    spans = request(200, *queries(12, text="SELECT * FROM lines WHERE order_id = #"))
    assert one(spans, "n_plus_one_db").saving_ns == 99 * MS
    assert found(spans, "redundant_call") == []


def test_the_fingerprint_does_not_depend_on_ids_literals_or_times() -> None:
    one_trace = request(200, *queries(12, text="SELECT * FROM lines WHERE order_id = #"))
    other = request(400, *queries(9, 8, "SELECT * FROM lines WHERE order_id = 77#", 30))
    assert one(one_trace, "n_plus_one_db").fingerprint == one(other, "n_plus_one_db").fingerprint


@pytest.mark.parametrize(
    ("why", "spans"),
    [
        ("too few", queries(4, 20)),
        ("too quick to matter", queries(8, 0.5)),
        ("asks for many at once", queries(6, 9, "SELECT * FROM lines WHERE order_id IN (#, 2, 3)")),
        ("asks for an array", queries(6, 9, "SELECT * FROM lines WHERE order_id = ANY($1)")),
        ("inserts many rows", queries(6, 9, "INSERT INTO lines VALUES ($1, $2), ($3, $4)")),
        ("transaction control", queries(8, 9, "COMMIT")),
        ("polls for a change", queries(8, 5, "SELECT state FROM jobs WHERE id = 7", 25 + 5)),
    ],
)
def test_decoys_are_no_n_plus_one(why: str, spans: list[Span]) -> None:
    trace = request(300, *spans)
    assert found(trace, "n_plus_one_db") == [], why
    assert found(trace, "redundant_call") == [], why


def test_messages_of_a_batch_are_requests_of_their_own() -> None:
    spans: list[Span] = []
    for i in range(8):
        spans.append(
            span(10 + i, 1, i * 20 * MS, (i * 20 + 15) * MS, service="orders",
                 name="process", kind=SpanKind.CONSUMER)
        )  # fmt: skip
        spans.append(query(30 + i, i * 20 + 1, 10, parent=10 + i))
    assert found(request(200, *spans), "n_plus_one_db") == []


def test_queries_off_the_critical_path_are_info() -> None:
    longer = call(50, 0, 190, "http://slow/x")
    finding = one([*request(200, longer, *queries(12))], "n_plus_one_db")
    assert (finding.severity, finding.saving_ns) == (FindingSeverity.INFO, 0)


def calls(
    count: int, step: float = 20, ms: float = 15, url: str = "http://users/users/#"
) -> list[Span]:
    return [call(2 + i, i * step, ms, url.replace("#", str(i))) for i in range(count)]


def test_calls_in_a_loop_name_the_service_that_answers() -> None:
    spans: list[Span] = []
    for made in calls(6):
        start_ms = made.start_unix_nano / MS
        spans += [made, answer(made.span_id + 50, made.span_id, start_ms + 1, 13, "user-service")]
    finding = one(request(150, *spans), "n_plus_one_http")
    # The calls with what runs below them hold 6 x 15 ms; one of them stays.
    assert finding.saving_ns == 75 * MS
    assert "user-service" in finding.reason
    assert found(request(150, *spans), "redundant_call") == []


def test_a_few_calls_at_once_are_a_fan_out_and_many_are_an_n_plus_one() -> None:
    assert found(request(50, *calls(9, 0)), "n_plus_one_http") == []
    assert len(found(request(50, *calls(10, 0)), "n_plus_one_http")) == 1


@pytest.mark.parametrize(
    "url",
    ["http://users/users?ids=#,8,9", "http://users/bulk/users", "http://users/users?ids=#%2C8"],
)
def test_chunks_of_a_batch_are_no_n_plus_one(url: str) -> None:
    assert found(request(150, *calls(6, url=url)), "n_plus_one_http") == []


def test_retries_of_one_call_are_no_n_plus_one() -> None:
    attempts = [call(2 + i, i * 20, 15, "http://users/users/7", error=i < 5) for i in range(6)]
    trace = request(150, *attempts)
    assert found(trace, "n_plus_one_http") == found(trace, "redundant_call") == []


def test_reading_the_same_several_times_is_redundant() -> None:
    finding = one(request(100, *calls(4, url="http://users/users/7")), "redundant_call")
    assert finding.saving_ns == 45 * MS
    assert finding.severity is FindingSeverity.WARNING
    assert "4 times" in finding.reason
    assert "http://users/users/7" in finding.reason


def test_the_same_query_without_parameters_is_redundant() -> None:
    spans = request(60, *queries(4, 9, "SELECT name FROM currencies"))
    assert one(spans, "redundant_call").saving_ns == 27 * MS


def test_reading_the_same_quickly_is_worth_a_word_and_no_warning() -> None:
    finding = one(request(50, *calls(3, 5, 2, "http://users/users/7")), "redundant_call")
    assert (finding.severity, finding.saving_ns) == (FindingSeverity.INFO, 4 * MS)


def test_a_query_that_hides_its_parameters_proves_no_redundancy() -> None:
    assert found(request(60, *queries(4)), "redundant_call") == []


def test_writing_the_same_several_times_is_not_redundant() -> None:
    spans = [call(2 + i, i * 20, 15, "http://users/users", method="POST") for i in range(4)]
    assert found(request(100, *spans), "redundant_call") == []
