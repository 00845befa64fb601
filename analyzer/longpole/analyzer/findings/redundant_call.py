"""Redundant calls: exactly the same thing is read several times by one request."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.calls import asked_exactly
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.n_plus_one import callee_of, n_plus_one, saved_by_one
from longpole.analyzer.findings.repeated_calls import repeated_calls
from longpole.analyzer.findings.survey import survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.wording import duration_text, named, quoted
from longpole.model.finding import Finding, FindingSeverity

IDENTIFIER = "redundant_call"


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    survey = survey_of(explanation)
    if not survey.families:
        return
    spans = explanation.spans
    told = {repeated.calls[0] for repeated, _, _ in n_plus_one(explanation, thresholds)}
    for repeated in repeated_calls(explanation):
        if not repeated.is_reading or repeated.calls[0] in told or not repeated.askings:
            continue  # an N+1 is one finding, whatever else is wrong with it
        exact, times = repeated.askings.most_common(1)[0]
        if times < thresholds.redundant_calls:
            continue
        same = [call for call in repeated.calls if asked_exactly(spans, call) == exact]
        saving = saved_by_one(survey, same)
        total = sum(survey.durations[call] for call in same)
        peer = callee_of(explanation, same[0])
        of = f" of {named(peer)}" if peer else ""
        is_worth_it = saving >= thresholds.redundant_saving_ns
        yield found(
            explanation,
            IDENTIFIER,
            same[0],
            same,
            saving_ns=saving,
            reason=f"The same is asked{of} {times} times within one request, "
            f"{duration_text(total)} together: {quoted(exact)}.",
            action="Ask once and hand the answer on, or keep it for the length of the request: "
            f"up to −{duration_text(saving)}.",
            severity=FindingSeverity.WARNING if is_worth_it else FindingSeverity.INFO,
            where=(repeated.key[3] or "", repeated.key[5]),
        )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Redundant calls",
        "One request reads exactly the same thing (equal query with its literals, or equal URL "
        "with GET) at least `redundant_calls` times. Spans that hide their parameters prove "
        "nothing. A warning from `redundant_saving_ns` of saving on. Polling does not count.",
        _look,
    ),
)
