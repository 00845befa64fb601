"""Retries and timeouts: storms, inversions, and what is only patience."""

from __future__ import annotations

import pytest

from longpole.model.finding import FindingSeverity
from longpole.model.span import AttributeValue, Span
from tests.analyzer.findings.calls_made import MS, answer, call, found, one, request

WARNING, INFO = FindingSeverity.WARNING, FindingSeverity.INFO
URL = "http://stock/reserve/7"


def attempts(times: list[tuple[float, float]], *, last_fails: bool = False) -> list[Span]:
    last = len(times) - 1
    return [
        call(2 + i, start, ms, URL, method="POST", name="POST /reserve",
             error=i < last or last_fails)
        for i, (start, ms) in enumerate(times)
    ]  # fmt: skip


AT_ONCE = [(0.0, 20.0), (21.0, 20.0), (42.0, 20.0), (63.0, 20.0), (84.0, 20.0)]


def test_repeating_at_once_is_a_storm_that_costs_all_but_the_last_attempt() -> None:
    finding = one(request(110, *attempts(AT_ONCE)), "retry_storm")
    # Four failed attempts of 20 ms and four pauses of 1 ms.
    assert finding.saving_ns == (4 * 20 + 4) * MS
    assert finding.severity is WARNING
    assert (finding.service, finding.operation) == ("orders", "POST /reserve")
    assert "5 attempts" in finding.reason
    assert "4 failed" in finding.reason
    assert "hardly a pause" in finding.reason


def test_when_all_attempts_fail_the_first_one_was_enough() -> None:
    finding = one(request(110, *attempts(AT_ONCE, last_fails=True)), "retry_storm")
    assert finding.saving_ns == (4 * 20 + 4) * MS
    assert "5 failed" in finding.reason


@pytest.mark.parametrize(
    ("why", "times", "level"),
    [
        ("one retry", AT_ONCE[:2], None),
        ("two retries", AT_ONCE[:3], INFO),
        ("backs off", [(0, 20), (120, 20), (340, 20), (760, 20), (1600, 20)], INFO),
        ("pauses that grow", [(0, 5), (10, 5), (30, 5), (65, 5), (130, 5)], INFO),
        ("steady long pauses", [(i * 220.0, 20) for i in range(6)], INFO),
        ("steady short pauses", [(i * 50.0, 20) for i in range(6)], WARNING),
    ],
)
def test_the_level_of_retries(
    why: str, times: list[tuple[float, float]], level: FindingSeverity | None
) -> None:
    levels = [f.severity for f in found(request(2000, *attempts(times)), "retry_storm")]
    assert levels == ([level] if level else []), why


def test_a_loop_over_things_of_which_some_fail_repeats_nothing() -> None:
    spans = [call(2 + i, i * 21, 20, f"http://s/t/{i}", error=i % 2 == 0) for i in range(8)]
    assert found(request(200, *spans), "retry_storm") == []


def test_retries_on_two_levels_multiply() -> None:
    spans: list[Span] = []
    for outer in range(3):
        begin = outer * 300.0
        spans.append(
            call(10 + outer, begin, 290, "http://b/x", name="GET /b", service="a",
                 error=outer < 2)
        )  # fmt: skip
        spans.append(answer(20 + outer, 10 + outer, begin + 1, 280, "b", error=outer < 2))
        for inner in range(3):
            spans.append(
                call(30 + 10 * outer + inner, begin + 2 + inner * 90, 80, "http://c/y",
                     name="GET /c", service="b", parent=20 + outer, error=outer < 2 or inner < 2)
            )  # fmt: skip
    storms = {f.operation: f for f in found(request(900, *spans, service="a"), "retry_storm")}
    assert storms["GET /c"].severity is WARNING
    assert "9 attempts in 3 calls" in storms["GET /c"].reason
    assert "further up" in storms["GET /c"].reason
    assert storms["GET /b"].severity is INFO


def gave_up(words: dict[str, AttributeValue] | None = None) -> list[Span]:
    return request(
        600, call(2, 0, 500, "http://pay/x", name="Charge", error=True, attributes=words)
    )


@pytest.mark.parametrize(
    "words",
    [
        {"error.type": "ReadTimeout"},
        {"error.type": "java.net.SocketTimeoutException"},
        {"error.type": "504", "http.response.status_code": "504"},
        {"error.type": "DEADLINE_EXCEEDED"},
        {"rpc.grpc.status_code": "4"},
    ],
)
def test_a_timeout_is_known_by_its_type_or_status(words: dict[str, AttributeValue]) -> None:
    finding = one(gave_up(words), "client_timeout")
    assert (finding.saving_ns, finding.severity) == (500 * MS, WARNING)
    assert (finding.service, finding.operation) == ("orders", "Charge")
    assert "after 500 ms" in finding.reason


@pytest.mark.parametrize("words", [{}, {"error.type": "ConnectionRefused"}])
def test_another_error_is_no_timeout(words: dict[str, AttributeValue]) -> None:
    assert found(gave_up(words), "client_timeout") == []


def test_a_callee_that_goes_on_works_for_nobody() -> None:
    spans = [*gave_up(), answer(3, 2, 1, 1300, "pay", name="Charge")]
    finding = one(spans, "client_timeout")
    assert "pay went on for 801 ms after that" in finding.reason
    assert finding.span_ids == (2, 3)


def test_a_server_whose_span_ends_a_little_late_was_not_left_behind() -> None:
    spans = [*gave_up(), answer(3, 2, 1, 540, "pay", name="Charge", error=True)]
    assert found(spans, "client_timeout") == []


def test_a_timeout_further_down_is_told_where_it_happened() -> None:
    timeout: dict[str, AttributeValue] = {"error.type": "timeout"}
    spans = request(
        600,
        call(2, 0, 550, "http://b/x", name="outer", error=True, attributes=timeout),
        answer(3, 2, 10, 520, "b", error=True),
        call(
            4,
            20,
            500,
            "http://c/y",
            name="inner",
            parent=3,
            service="b",
            error=True,
            attributes=timeout,
        ),
    )
    assert [f.operation for f in found(spans, "client_timeout")] == ["inner"]
    assert found(spans, "timeout_inversion") == []


def test_a_callee_that_is_more_patient_than_its_caller_is_an_inversion() -> None:
    spans = request(
        600,
        call(
            2, 0, 500, "http://b/x", name="outer", error=True, attributes={"error.type": "timeout"}
        ),
        answer(3, 2, 10, 1010, "b", error=True),
        call(4, 20, 990, "http://c/y", name="inner", parent=3, service="b", error=True),
    )
    finding = one(spans, "timeout_inversion")
    assert (finding.service, finding.operation, finding.saving_ns) == ("b", "inner", 0)
    assert finding.severity is WARNING
    assert "orders gives up after 500 ms" in finding.reason
    assert "990 ms" in finding.reason
    assert finding.span_ids == (4, 2)


def test_a_callee_that_gives_up_first_is_no_inversion() -> None:
    spans = request(
        600,
        call(
            2, 0, 500, "http://b/x", name="outer", error=True, attributes={"error.type": "timeout"}
        ),
        answer(3, 2, 10, 800, "b"),
        call(
            4,
            20,
            300,
            "http://c/y",
            parent=3,
            service="b",
            error=True,
            attributes={"error.type": "timeout"},
        ),
    )
    assert found(spans, "timeout_inversion") == []
