"""The verdict: where the time went, why, and what to do about it, ranked by path time."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analyzer.advice import Analysed, Confidence, Words, words_of
from longpole.analyzer.causes import Cause, CauseKind, leading_causes
from longpole.analyzer.critical_path import RawPath, Windows
from longpole.analyzer.labels import PathSegments
from longpole.analyzer.path_spans import PathSpans
from longpole.analyzer.tree import SpanTree
from longpole.analyzer.wording import counted, named, quoted, share_text
from longpole.model.span import StatusCode

MOST_ENTRIES = 5
SMALLEST_SHARE = 0.01  # of an entry after the first
MOST_SPAN_IDS = 50  # named by an entry; its reason tells the full number


@dataclass(frozen=True, slots=True)
class VerdictEntry:
    """One place where time went.

    `critical_ns` is time on the path and `share` its part of the root's duration, 0 to 1; the
    entries of a verdict never count the same nanosecond twice. `span_ids` are the spans that
    held it, most time first. `summary` is the reason in a few words.
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
    cause: CauseKind


def verdict_of(
    spans: PathSpans,
    tree: SpanTree,
    found: Windows,
    path: RawPath,
    segments: PathSegments,
) -> tuple[VerdictEntry, ...]:
    """At most five entries, most time first; at least one if the path has any length."""
    total = segments.ends[-1] - segments.starts[0] if segments else 0
    has_gaps = tree.is_headless or tree.orphans > 0
    trace = Analysed(spans, tree, found)
    entries: list[VerdictEntry] = []
    for cause in leading_causes(spans, tree, found, path, segments, MOST_ENTRIES):
        share = cause.critical_ns / total
        if entries and share < SMALLEST_SHARE:
            break
        words = _with_gaps(cause, words_of(trace, cause), has_gaps)
        words = _with_errors(spans, cause, words)
        held = sorted(cause.time_of, key=lambda i: (-cause.time_of[i], i))[:MOST_SPAN_IDS]
        entries.append(
            VerdictEntry(
                service=cause.service,
                operation=cause.operation,
                critical_ns=cause.critical_ns,
                share=round(share, 6),
                reason=words.reason,
                advice=words.advice,
                confidence=words.confidence,
                span_ids=tuple(dict.fromkeys(spans.span_ids[i] for i in held)),
                summary=words.summary,
                cause=cause.kind,
            )
        )
    return tuple(entries)


def verdict_line(verdict: tuple[VerdictEntry, ...]) -> str:
    """The first entry in one line, empty when there is nothing to tell."""
    if not verdict:
        return ""
    top = verdict[0]
    place = f"{named(top.service)} › {named(top.operation)}"
    return f"{place} {share_text(top.share)}: {top.summary}"


# Kinds whose reading rests on spans that are not there.
_RESTS_ON_ABSENCE = frozenset(
    {CauseKind.UNINSTRUMENTED_CALL, CauseKind.BETWEEN_CHILDREN, CauseKind.NO_CHILDREN}
)


def _with_gaps(cause: Cause, words: Words, has_gaps: bool) -> Words:
    if not has_gaps or cause.kind not in _RESTS_ON_ABSENCE:
        return words
    return words._replace(
        reason=words.reason
        + " Spans are missing from this trace, so it may look worse than it is.",
        confidence=Confidence.LOW,
    )


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
