"""The verdict: where the time went, why, and what to do about it; what detectors found comes first.

A finding of level warning or above is the answer, and its entry holds the path time that it
explains. All other time belongs to causes, most time first, so that a verdict never counts a
nanosecond twice. One cause may come before the findings: the own time of an operation that keeps
half of the trace, where all that would be named before it is a circle of calls around it.

Without such a finding, and without an error at the root or on the path, there is nothing unusual,
as far as one trace can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

from longpole.analyzer.advice import Analysed, Confidence, Words, words_of
from longpole.analyzer.causes import Cause, CauseKind, leading_causes
from longpole.analyzer.claims import claims_of
from longpole.analyzer.explain import Explanation
from longpole.analyzer.findings.leads import certainty_of, leads
from longpole.analyzer.own_time import OWN_KINDS, SHAPES, is_most
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.wording import counted, first_sentence, named, quoted, share_text
from longpole.model.finding import Finding, FindingSeverity
from longpole.model.span import StatusCode

MOST_ENTRIES = 5
MOST_FINDINGS = 3  # that get an entry; the others stand in the list of findings
SMALLEST_SHARE = 0.01  # of a cause after the first entry
MOST_SPAN_IDS = 50  # named by an entry; its reason tells the full number


@dataclass(frozen=True, slots=True)
class VerdictEntry:
    """One place where time went, or where something is wrong.

    `critical_ns` is time on the path and `share` its part of the root's duration, 0 to 1; the
    entries of a verdict never count the same nanosecond twice, and what a finding shows may hold
    none at all. `span_ids` are the spans that held it, most time first, else the evidence.
    `summary` is the reason in a few words. `cause` is None for an entry that a finding made;
    then `detector` and `severity` are its own, else None.
    """

    service: str
    operation: str
    critical_ns: int
    share: float
    reason: str
    advice: str
    confidence: Confidence
    span_ids: tuple[int, ...]
    summary: str
    cause: CauseKind | None
    detector: str | None = None
    severity: FindingSeverity | None = None


def verdict_of(
    explanation: Explanation, findings: Sequence[Finding], most: int = MOST_ENTRIES
) -> tuple[VerdictEntry, ...]:
    """At most five entries, the answer first: what `detect` found of level warning or above,
    then causes, most time first. At least one if the path has any length. With `most` only so
    many of them, which are the same as without."""
    e = explanation
    spans, tree, segments = e.spans, e.tree, e.segments
    total = segments.ends[-1] - segments.starts[0] if segments else 0
    has_gaps = tree.is_headless or tree.orphans > 0
    leading = leads(findings, total)[:MOST_FINDINGS]
    chosen, claimed, causes, has_keeper = _shared_out(e, leading, total, most)
    found = [
        _of_finding(spans, finding, held, total, has_gaps)
        for finding, held in zip(chosen, claimed, strict=True)
    ]
    others: list[VerdictEntry] = []
    for cause in causes:
        if (found or others) and cause.critical_ns / total < SMALLEST_SHARE:
            break
        others.append(_of_cause(e, cause, total, has_gaps))
    first = int(has_keeper)
    return (*others[:first], *found, *others[first:])[:most]


def _shared_out(
    e: Explanation, chosen: Sequence[Finding], total: int, most: int
) -> tuple[Sequence[Finding], list[Cause], list[Cause], bool]:
    """The findings in their order, the time that each holds, the causes of all other time, and
    whether the first of these comes before the findings."""
    spans, tree = e.spans, e.tree
    claims = claims_of(spans, tree, e.path, chosen)
    limit = max(0, most - len(chosen))
    shapes = len(list(takewhile(lambda finding: finding.detector in SHAPES, chosen)))
    if shapes:
        # What happens inside of a circle is not its doing.
        round_it = [claim._replace(spans=frozenset()) for claim in claims[:shapes]]
        freed = (*claims[shapes:], *round_it)
        held, causes = leading_causes(
            spans, tree, e.windows, e.path, e.segments, max(1, limit), freed
        )
        inside = frozenset[int]().union(*(claim.spans for claim in claims[:shapes]))
        is_cause = (
            bool(causes) and causes[0].kind in OWN_KINDS and is_most(causes[0], inside, total)
        )
        if is_cause or any(is_most(one, inside, total) for one in held):
            return (*chosen[shapes:], *chosen[:shapes]), held, causes, is_cause
    held, causes = leading_causes(spans, tree, e.windows, e.path, e.segments, limit, claims)
    return chosen, held, causes, False


def line_of(explanation: Explanation, findings: Sequence[Finding]) -> str:
    """The verdict line of one trace. It is that of the whole verdict, but only what the line tells
    is worked out: every trace that settles has one, and few have any reader."""
    e = explanation
    total = e.segments.ends[-1] - e.segments.starts[0] if e.segments else 0
    leading = leads(findings, total)[:MOST_FINDINGS]
    if not leading:
        return verdict_line(verdict_of(e, (), most=1), failure_of(e))
    if leading[0].detector in SHAPES:
        return verdict_line(verdict_of(e, findings, most=2))
    claims = claims_of(e.spans, e.tree, e.path, leading)
    held, _ = leading_causes(e.spans, e.tree, e.windows, e.path, e.segments, 0, claims)
    has_gaps = e.tree.is_headless or e.tree.orphans > 0
    return verdict_line((_of_finding(e.spans, leading[0], held[0], total, has_gaps),))


def _of_cause(e: Explanation, cause: Cause, total: int, has_gaps: bool) -> VerdictEntry:
    words = _with_gaps(cause, words_of(Analysed(e.spans, e.tree, e.windows), cause), has_gaps)
    words = _with_errors(e.spans, cause, words)
    return VerdictEntry(
        service=cause.service,
        operation=cause.operation,
        critical_ns=cause.critical_ns,
        share=round(cause.critical_ns / total, 6),
        reason=words.reason,
        advice=words.advice,
        confidence=words.confidence,
        span_ids=_held(e.spans, cause),
        summary=words.summary,
        cause=cause.kind,
    )


def _of_finding(
    spans: PathSpans, finding: Finding, held: Cause, total: int, has_gaps: bool
) -> VerdictEntry:
    confidence, reason = certainty_of(finding), finding.reason
    if has_gaps and finding.detector in _DETECTS_ABSENCE:
        confidence, reason = Confidence.LOW, reason + _MISSING
    return VerdictEntry(
        service=finding.service,
        operation=finding.operation,
        critical_ns=held.critical_ns,
        share=round(held.critical_ns / total, 6) if total else 0.0,
        reason=reason,
        advice=finding.action,
        confidence=confidence,
        span_ids=finding.span_ids,
        summary=first_sentence(finding.reason),
        cause=None,
        detector=finding.detector,
        severity=finding.severity,
    )


def _held(spans: PathSpans, cause: Cause) -> tuple[int, ...]:
    held = sorted(cause.time_of, key=lambda i: (-cause.time_of[i], i))[:MOST_SPAN_IDS]
    return tuple(dict.fromkeys(spans.span_ids[i] for i in held))


class Failure(StrEnum):
    """Where a trace failed, as far as it matters to who waited for it."""

    NONE = ""
    ROOT = "root"
    PATH = "path"


# How the line of a verdict begins that no finding leads.
BEGINNINGS = {
    Failure.NONE: "nothing unusual",
    Failure.ROOT: "failed, no known pattern",
    Failure.PATH: "errors on the path, no known pattern",
}


def failure_of(explanation: Explanation) -> Failure:
    """Whether the root failed, or else a span of the critical path. Errors beside the path cost
    nobody time, and what they are is told by findings."""
    e = explanation
    codes = e.spans.status_codes
    if StatusCode.ERROR not in codes:
        return Failure.NONE
    if e.root >= 0 and codes[e.root] == StatusCode.ERROR:
        return Failure.ROOT
    is_on_path = any(codes[index] == StatusCode.ERROR for index in e.path.visited)
    return Failure.PATH if is_on_path else Failure.NONE


# Stands for a detector in the line of a verdict that an operation's own time leads, with a finding
# below it.
OWN_TIME = "own time"


def is_unusual(verdict: Sequence[VerdictEntry], failure: Failure = Failure.NONE) -> bool:
    """Whether a detector said so, or the trace failed."""
    return failure is not Failure.NONE or any(entry.detector is not None for entry in verdict)


def verdict_line(verdict: Sequence[VerdictEntry], failure: Failure = Failure.NONE) -> str:
    """The answer in one line, empty when there is nothing to tell. Two entries are as good as all:
    own time may stand before a finding, but never two causes."""
    if not verdict:
        return ""
    top = verdict[0]
    place = f"{named(top.service)} › {named(top.operation)}"
    is_beside_finding = any(entry.detector is not None for entry in verdict)
    if not is_beside_finding:
        begin = BEGINNINGS[failure]
        return f"{begin}; {share_text(top.share)} in {place} ({top.summary})"
    share = f" {share_text(top.share)}" if top.critical_ns else ""
    summary = top.summary if top.detector else f"{top.summary}."
    return f"{place}{share}: {top.detector or OWN_TIME}: {summary} {first_sentence(top.advice)}"


_MISSING = " Spans are missing from this trace, so it may look worse than it is."
# What rests on spans that are not there: detectors and kinds of causes.
_DETECTS_ABSENCE = frozenset({"uninstrumented_gap"})
_RESTS_ON_ABSENCE = frozenset(
    {CauseKind.UNINSTRUMENTED_CALL, CauseKind.BETWEEN_CHILDREN, CauseKind.NO_CHILDREN}
)


def _with_gaps(cause: Cause, words: Words, has_gaps: bool) -> Words:
    if not has_gaps or cause.kind not in _RESTS_ON_ABSENCE:
        return words
    return words._replace(reason=words.reason + _MISSING, confidence=Confidence.LOW)


def _with_errors(spans: PathSpans, cause: Cause, words: Words) -> Words:
    if cause.kind is CauseKind.RETRY:
        held = cause.calls
    else:
        held = sorted(cause.time_of, key=lambda i: (-cause.time_of[i], i))
    failed = [i for i in held if spans.status_codes[i] == StatusCode.ERROR]
    if not failed:
        return words
    message = next(
        (quoted(text) for i in failed if (text := _error_text(spans, i))), "no message was recorded"
    )
    advice = words.advice
    if cause.kind is not CauseKind.RETRY:
        advice = "Read the error first, it may explain the time. " + advice
    return words._replace(
        reason=f"{words.reason} {len(failed)} of {counted(len(held), 'span')} failed: {message}.",
        advice=advice,
    )


def _error_text(spans: PathSpans, index: int) -> str | None:
    return spans.status_messages[index] or spans.text(index, ("error.type",))
