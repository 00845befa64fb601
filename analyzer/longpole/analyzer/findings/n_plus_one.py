"""N+1: one call for each thing of a list, where one call could ask for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from longpole.analyzer.calls import DB_SYSTEM, QUERY_TEXT, normalised_query, peer_of
from longpole.analyzer.databases import family_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.detector import Detector
from longpole.analyzer.findings.evidence import found
from longpole.analyzer.findings.repeated_calls import RepeatedCalls, repeated_calls
from longpole.analyzer.findings.survey import Survey, survey_of
from longpole.analyzer.findings.thresholds import Thresholds
from longpole.analyzer.wording import duration_text, named, quoted_query
from longpole.model.finding import Finding, FindingSeverity

DATABASE, HTTP = "n_plus_one_db", "n_plus_one_http"
_NOTE = "n_plus_one"
# Calls that run beside each other cost the request one of them: many more are needed.
_CONCURRENT_RATIO = 2

_Noted: TypeAlias = tuple[Thresholds, list[tuple[RepeatedCalls, int, int]]]


def n_plus_one(
    explanation: Explanation, thresholds: Thresholds
) -> list[tuple[RepeatedCalls, int, int]]:
    """The N+1 patterns of a trace, each with the sum of its calls' durations and what one call
    for all would save on the path."""
    survey = survey_of(explanation)
    noted: _Noted | None = survey.noted.get(_NOTE)
    if noted is not None and noted[0] is thresholds:
        return noted[1]
    patterns: list[tuple[RepeatedCalls, int, int]] = []
    for repeated in repeated_calls(explanation) if survey.families else ():
        if not _is_pattern(survey, repeated, thresholds):
            continue
        total = sum(survey.durations[call] for call in repeated.calls)
        least = max(thresholds.n_plus_one_least_ns, 0)
        share = thresholds.n_plus_one_share * survey.durations[repeated.entry]
        if total >= thresholds.n_plus_one_total_ns or total >= max(least, share):
            patterns.append((repeated, total, saved_by_one(survey, repeated.calls)))
    survey.noted[_NOTE] = (thresholds, patterns)
    return patterns


def saved_by_one(survey: Survey, calls: list[int]) -> int:
    """Path time that is saved if one call of usual length does for all of them."""
    times = [ns for call in calls if (ns := survey.path_ns(call))]
    return sum(times) - sum(times) // len(times) if times else 0


def _is_pattern(survey: Survey, repeated: RepeatedCalls, thresholds: Thresholds) -> bool:
    needed = thresholds.n_plus_one_calls
    if len(repeated.calls) < needed or repeated.different < needed:
        return False
    if repeated.is_database:
        return True
    return (
        len(repeated.calls) >= _CONCURRENT_RATIO * needed
        or _in_turn(survey, repeated.calls) >= needed
    )


def _in_turn(survey: Survey, calls: list[int]) -> int:
    """How many of the calls can be picked so that none overlaps another."""
    spans = survey.explanation.spans
    count, free = 0, 0
    for call in sorted(calls, key=lambda c: spans.ends[c]):
        if not count or spans.starts[call] >= free:
            count, free = count + 1, spans.ends[call]
    return count


def _database(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    for repeated, total, saving in n_plus_one(explanation, thresholds):
        if not repeated.is_database:
            continue
        spans, first = explanation.spans, repeated.calls[0]
        query = spans.text(first, QUERY_TEXT)
        system = spans.text(first, DB_SYSTEM)
        family = family_of(system, query)
        what = quoted_query(normalised_query(query)) if query else named(spans.names[first])
        yield _finding(
            DATABASE,
            explanation,
            thresholds,
            repeated,
            saving,
            f"{len(repeated.calls)} {family.plural} that differ only in their parameters, "
            f"{duration_text(total)} together, "
            f"{duration_text(total // len(repeated.calls))} each: {what}.",
            f"{family.repeated}: up to −{duration_text(saving)}.",
        )


def _http(explanation: Explanation, thresholds: Thresholds) -> Iterator[Finding]:
    for repeated, total, saving in n_plus_one(explanation, thresholds):
        if repeated.is_database:
            continue
        peer = callee_of(explanation, repeated.calls[0])
        to = f" to {named(peer)}" if peer else ""
        yield _finding(
            HTTP,
            explanation,
            thresholds,
            repeated,
            saving,
            f"{len(repeated.calls)} calls{to} that differ only in their parameters, "
            f"{duration_text(total)} together, "
            f"{duration_text(total // len(repeated.calls))} each.",
            f"Ask{f' {named(peer)}' if peer else ''} for all of them in one call, or make the "
            f"calls in parallel: up to −{duration_text(saving)}.",
        )


def callee_of(explanation: Explanation, call: int) -> str | None:
    """The service that answers a call by its spans, else whom the call names."""
    spans = explanation.spans
    own = spans.services[call]
    below = (spans.services[child] for child in explanation.tree.children[call])
    return next((service for service in below if service != own), None) or peer_of(spans, call)


def _finding(
    detector: str,
    explanation: Explanation,
    thresholds: Thresholds,
    repeated: RepeatedCalls,
    saving: int,
    reason: str,
    action: str,
) -> Finding:
    is_critical = len(repeated.calls) >= thresholds.n_plus_one_critical_calls
    return found(
        explanation,
        detector,
        repeated.calls[0],
        repeated.calls,
        saving_ns=saving,
        reason=reason,
        action=action,
        severity=FindingSeverity.CRITICAL if is_critical else FindingSeverity.WARNING,
        where=(repeated.key[3] or "", repeated.key[5]),
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        DATABASE,
        "N+1 queries",
        "One request runs at least `n_plus_one_calls` queries that are equal but for their "
        "parameters, in sequence or interleaved with others, and they take "
        "`n_plus_one_total_ns` together or `n_plus_one_share` of the request (and at least "
        "`n_plus_one_least_ns`). Critical from `n_plus_one_critical_calls` on. Queries that "
        "already ask for many things, retries, polling and transaction control do not count.",
        _database,
    ),
    Detector(
        HTTP,
        "N+1 calls",
        "As for queries, with HTTP or RPC calls to one peer that share method and route but "
        "not the exact URL: `n_plus_one_calls` one after the other, or twice as many at once.",
        _http,
    ),
)
