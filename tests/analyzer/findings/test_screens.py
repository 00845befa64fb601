"""What is left out for traces that show nothing: the rules say the same as without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings import chains
from longpole.analyzer.findings.catalogue import DETECTORS
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.findings.survey import forget
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.model.finding import Finding
from longpole.model.span import StatusCode
from longpole.model.trace import Trace
from tests.analyzer.columnar.seeded_traces import seeded_traces
from tests.browser.shop_stories import SHOP

# Rules speak of random traces, whose times are small integers, only if they need not be long.
LOW = replace(
    Thresholds(), n_plus_one_total_ns=1, redundant_saving_ns=1, sequential_saving_ns=1,
    slow_db_query_ns=1, pool_wait_ns=1, gap_ns=1, cold_start_ns=1, clock_skew_ns=1, queue_lag_ns=1,
)  # fmt: skip


def traces(seed: int) -> list[Explanation]:
    shop = [Trace(story.trace_id, story.spans) for story in SHOP]
    return [explain(one) for one in (*seeded_traces(seed, 400), *shop)]


def alone(explanation: Explanation, thresholds: Thresholds) -> list[Finding]:
    """What every rule says for itself, nothing shared between any two of them."""
    found: list[Finding] = []
    for detector in DETECTORS if explanation.root >= 0 else ():
        forget()
        found += detector.look(explanation, thresholds)
    forget()
    return found


def by_rule(findings: Sequence[Finding]) -> list[str]:
    return sorted(map(repr, findings))


@pytest.mark.parametrize("seed", [3, *(pytest.param(s, marks=pytest.mark.full) for s in range(2))])
def test_all_rules_together_say_what_each_says_alone(seed: int) -> None:
    rules: set[str] = set()
    for thresholds in (Thresholds(), LOW):
        for e in traces(seed):
            findings = detect(e, thresholds)
            assert by_rule(findings) == by_rule(alone(e, thresholds))
            rules.update(finding.detector for finding in findings)
    assert len(rules) >= 12


def test_a_rule_that_needs_a_failure_is_not_asked_without_one() -> None:
    asked: list[int] = []

    def look(explanation: Explanation, _: Thresholds) -> Iterator[Finding]:
        asked.append(explanation.trace_id)
        return iter(())

    rule = replace(DETECTORS[0], look=look, needs_failure=True)
    explained = [e for e in traces(4) if e.root >= 0]
    for e in explained:
        detect(e, detectors=(rule,))
    failed = [e.trace_id for e in explained if StatusCode.ERROR in e.spans.status_codes]
    assert asked == failed
    assert 0 < len(failed) < len(explained)


def test_whether_calls_come_back_is_the_same_by_climbing_and_by_going_through_all() -> None:
    answers = set()
    for e in traces(5):
        if e.root >= 0:
            visits = chains._visits(e)
            comes_back = chains._comes_back(visits)
            assert comes_back == bool(list(chains._returns(visits)))
            answers.add(comes_back)
    assert answers == {True, False}
