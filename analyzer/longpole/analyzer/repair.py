"""Puts the spans of a trace in one fixed order and mends times that cannot be meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from operator import attrgetter, itemgetter, le
from typing import TypeVar

from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, PathSpans
from longpole.model.problem import Problem, Severity
from longpole.model.span_content import span_content

LATEST_UNIX_NANO = (1 << 63) - 1
LONGEST_NS = (1 << 63) - 1
# A problem names this many spans at most; its `count` is always the full number.
NAMED_SPANS = 20

_T = TypeVar("_T")

_FIELDS = [one.name for one in fields(PathSpans)]
# Of a trace what its spans' order does not touch: all after the lists.
_WHAT_FOLLOWS = attrgetter(*_FIELDS[_FIELDS.index("rows") + 1 :])


def repair(spans: PathSpans) -> tuple[PathSpans, list[Problem]]:
    """The same spans sorted by id with usable times, and what was done to them.

    From here on a span is its index, and comparing indices compares span ids: several spans
    with one id follow each other in an order that only their content decides, so the order
    in which spans arrived never shows in an answer. A span that ends before it starts gets
    duration zero at its start; ends and durations that 64 bits cannot hold are cut.
    """
    problems: list[Problem] = []
    if spans.duplicates:
        problems.append(
            Problem(
                "exact_duplicate",
                "Spans that arrived more than once with equal content were counted once.",
                Severity.INFO,
                spans.duplicates,
            )
        )
    ordered = _in_order(spans)
    return _with_usable_times(ordered, problems), problems


def _in_order(spans: PathSpans) -> PathSpans:
    ids = spans.span_ids
    order = list(range(len(ids)))
    if len(set(ids)) == len(ids):
        by_id = sorted(order, key=ids.__getitem__)
        if by_id == order:
            return spans
        order = by_id
    else:
        cheap = [_cheap_content(spans, i) for i in order]
        order.sort(key=cheap.__getitem__)
        # Only spans that agree in all that is cheap to compare need their attributes.
        begin = 0
        while begin < len(order):
            end = begin + 1
            while end < len(order) and cheap[order[end]] == cheap[order[begin]]:
                end += 1
            if end - begin > 1:
                order[begin:end] = sorted(order[begin:end], key=lambda i: _attributes(spans, i))
            begin = end

    # At least two spans are left here, so that it gives them all as one tuple.
    picked = itemgetter(*order)

    def pick(values: Sequence[_T]) -> list[_T]:
        return list(picked(values))

    # Not `replace`, which takes as long as everything else here.
    return PathSpans(
        spans.trace_id, pick(ids), pick(spans.parent_ids), pick(spans.starts), pick(spans.ends),
        pick(spans.names), pick(spans.services), pick(spans.kinds), pick(spans.status_codes),
        pick(spans.status_messages), pick(spans.rows), *_WHAT_FOLLOWS(spans),
    )  # fmt: skip


def _cheap_content(spans: PathSpans, i: int) -> tuple[object, ...]:
    return (
        spans.span_ids[i],
        spans.starts[i],
        spans.ends[i],
        spans.kinds[i],
        spans.parent_ids[i],
        spans.services[i],
        spans.names[i],
        spans.status_codes[i],
        spans.status_messages[i],
    )


def _attributes(spans: PathSpans, i: int) -> tuple[object, ...]:
    """Everything else an answer depends on, then everything a report may show, so that only
    equal spans tie."""
    has_any = spans.text(i, ANALYSIS_ATTRIBUTES) is not None
    return (
        tuple(spans.text(i, (key,)) or "" for key in ANALYSIS_ATTRIBUTES) if has_any else (),
        span_content(spans.sent[spans.rows[i]]) if spans.sent else (),
    )


def _with_usable_times(spans: PathSpans, problems: list[Problem]) -> PathSpans:
    starts, ends = spans.starts, spans.ends
    if not starts or (
        min(starts) >= 0 and max(ends) <= LATEST_UNIX_NANO and all(map(le, starts, ends))
    ):
        return spans  # as nearly always
    backwards = [i for i, start in enumerate(starts) if ends[i] < start]
    endless = [
        i
        for i, start in enumerate(starts)
        if ends[i] > LATEST_UNIX_NANO or ends[i] - start > LONGEST_NS
    ]
    far = [i for i, start in enumerate(starts) if start < 0 or ends[i] < 0]
    if far:
        problems.append(
            Problem(
                "time_out_of_range",
                "Spans with times after the year 2262 were read as if before 1970, because "
                "signed 64-bit nanoseconds end there; their place in the trace means little.",
                Severity.WARNING,
                len(far),
                tuple(spans.span_ids[i] for i in far[:NAMED_SPANS]),
            )
        )
    if not backwards and not endless:
        return spans
    mended = list(ends)
    for i in backwards:
        mended[i] = starts[i]
    for i in endless:
        mended[i] = min(LATEST_UNIX_NANO, starts[i] + LONGEST_NS)
    if backwards:
        problems.append(
            Problem(
                "end_before_start",
                "Spans that end before they start were given zero duration at their start.",
                Severity.WARNING,
                len(backwards),
                tuple(spans.span_ids[i] for i in backwards[:NAMED_SPANS]),
            )
        )
    if endless:
        problems.append(
            Problem(
                "duration_out_of_range",
                "Spans longer than 64 bits of nanoseconds were cut to what 64 bits hold.",
                Severity.WARNING,
                len(endless),
                tuple(spans.span_ids[i] for i in endless[:NAMED_SPANS]),
            )
        )
    return replace(spans, ends=mended)
