"""Slow queries: a database takes long for one question."""

from __future__ import annotations

from collections.abc import Iterator

from longpole.analyzer.calls import DB_SYSTEM, QUERY_TEXT, normalised_query
from longpole.analyzer.databases import family_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.pool_wait import is_waiting_for_connection
from longpole.analyzer.findings.repeated_calls import is_database
from longpole.analyzer.findings.survey import Survey, survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.wording import counted, duration_text, named, quoted_query
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import SpanKind

IDENTIFIER = "slow_db_query"
_CRITICAL_RATIO = 5


def _look(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    survey = survey_of(explanation)
    limit = thresholds.slow_db_query_ns
    if survey.longest_ns < limit:
        return
    spans = explanation.spans
    slow: dict[tuple[str, str, str], list[int]] = {}
    for index, duration in enumerate(survey.durations):
        if duration >= limit and _is_query(explanation, index):
            if _query_ns(survey, index) < limit:
                continue
            asked = normalised_query(spans.text(index, QUERY_TEXT) or "")
            slow.setdefault((spans.services[index], spans.names[index], asked), []).append(index)
    for (_, operation, asked), calls in slow.items():
        calls.sort(key=lambda c: (-survey.durations[c], c))
        longest = survey.durations[calls[0]]
        system = spans.text(calls[0], DB_SYSTEM)
        family = family_of(system, asked)
        count = counted(len(calls), family.noun, family.plural)
        total = duration_text(sum(survey.durations[c] for c in calls))
        is_critical = longest >= _CRITICAL_RATIO * limit
        yield found(
            explanation,
            IDENTIFIER,
            calls[0],
            calls,
            saving_ns=sum(min(survey.path_ns(c), _query_ns(survey, c)) for c in calls),
            reason=f"{count} of {named(system or 'the database')} took {total}: "
            f"{quoted_query(asked) if asked else named(operation)}.",
            action=family.slow,
            severity=FindingSeverity.CRITICAL if is_critical else FindingSeverity.WARNING,
            where=(system or "", asked),
        )


def _is_query(explanation: Explanation, index: int) -> bool:
    """Whether a span is itself the question to a database, and not code around one."""
    spans = explanation.spans
    if spans.kinds[index] not in (SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.UNSPECIFIED):
        return False
    if not is_database(spans, index) or is_waiting_for_connection(spans, index):
        return False
    below = explanation.tree.children[index]
    return not any(
        is_database(spans, child) and not is_waiting_for_connection(spans, child) for child in below
    )


def _query_ns(survey: Survey, index: int) -> int:
    """A query's duration without what it waited for a connection."""
    explanation = survey.explanation
    waited = sum(
        survey.durations[child]
        for child in explanation.tree.children[index]
        if is_waiting_for_connection(explanation.spans, child)
    )
    return survey.durations[index] - waited


DETECTORS: tuple[Detector, ...] = (
    Detector(
        IDENTIFIER,
        "Slow queries",
        "A query takes `slow_db_query_ns` or longer, waiting for a connection not counted; "
        "critical at five times that.",
        _look,
    ),
)
