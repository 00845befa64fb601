"""The line of a trace is that of its whole verdict, though less is worked out for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from longpole.analyzer import verdict
from longpole.analyzer.advice import Analysed, Words, words_of
from longpole.analyzer.causes import Cause
from longpole.analyzer.explain import Explanation, explain
from longpole.analyzer.findings.detect import detect
from longpole.analyzer.verdict import failure_of, line_of, verdict_line, verdict_of
from longpole.model.trace import Trace
from tests.analyzer.columnar.seeded_traces import seeded_traces
from tests.analyzer.span_builders import CASES, case_trace
from tests.analyzer.test_verdict_of_circles import circle
from tests.browser.shop_stories import MINUTE, PLOTS, SHOP, told


def shop() -> list[Trace]:
    more = (told(name, 1000 + 7 * n, MINUTE) for n in range(6) for name in PLOTS)
    return [Trace(story.trace_id, story.spans) for story in (*SHOP, *more)]


def agree(explanations: Iterable[Explanation]) -> Counter[str]:
    """Fails at the first difference; how the lines begin, and how often."""
    begins: Counter[str] = Counter()
    for e in explanations:
        findings = detect(e)
        whole = verdict_of(e, findings)
        assert line_of(e, findings) == verdict_line(whole, failure_of(e))
        begins[(whole[0].detector or "cause") if whole else "nothing"] += 1
    return begins


@pytest.mark.parametrize("seed", [5, *(pytest.param(s, marks=pytest.mark.full) for s in range(3))])
def test_random_traces_have_the_line_of_their_whole_verdict(seed: int) -> None:
    begins = agree(explain(one) for one in seeded_traces(seed, 300))
    assert begins["cause"] > 30
    assert begins["nothing"] > 0


def test_the_shop_has_the_lines_of_its_whole_verdicts() -> None:
    begins = agree(explain(one) for one in shop())
    assert begins.keys() >= {detector for detector, _ in PLOTS.values()} | {"cause"}


def test_cases_and_circles_have_the_lines_of_their_whole_verdicts() -> None:
    agree(explain(case_trace(case)[0]) for case in CASES)
    circles = [(300, 0), (40, 300), (600, 0), (0, 0)]
    begins = agree(circle(inner_ms, wait_ms).explained() for inner_ms, wait_ms in circles)
    assert begins.keys() == {"cause", "cyclic_dependency"}


def test_a_line_takes_the_words_of_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Cause] = []

    def noted(trace: Analysed, cause: Cause) -> Words:
        made.append(cause)
        return words_of(trace, cause)

    monkeypatch.setattr(verdict, "words_of", noted)
    traces = [explain(Trace(story.trace_id, story.spans)) for story in SHOP]
    for e in traces:
        made.clear()
        findings = detect(e)
        begin = line_of(e, findings)
        assert len(made) == ("nothing unusual" in begin), begin
