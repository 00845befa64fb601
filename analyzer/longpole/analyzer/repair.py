"""Puts the spans of a trace in one fixed order and mends times that cannot be meant."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import groupby
from operator import attrgetter, itemgetter, le, lt
from typing import TypeAlias

from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES, PathSpans
from longpole.model.problem import Problem, Severity
from longpole.model.span_content import span_content

LATEST_UNIX_NANO = (1 << 63) - 1
LONGEST_NS = (1 << 63) - 1
# A problem names this many spans at most; its `count` is always the full number.
NAMED_SPANS = 20

# Id, start, end, kind, parent, service, name, status code and message, row.
_Placed: TypeAlias = tuple[int, int, int, int, int, str, str, int, str, int]

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
    if all(map(lt, ids, ids[1:])):
        return spans
    # As rows, which sort by id and, of spans that share one, by all that is cheap to compare.
    placed = sorted(
        zip(
            ids, spans.starts, spans.ends, spans.kinds, spans.parent_ids, spans.services,
            spans.names, spans.status_codes, spans.status_messages, spans.rows, strict=True,
        )
    )  # fmt: skip
    if len(set(ids)) < len(ids):
        placed = _ties_by_attributes(spans, placed)
    ids, starts, ends, kinds, parent_ids, services, names, codes, messages, rows = map(
        list, zip(*placed, strict=True)
    )
    # Not `replace`, which takes as long as everything else here.
    return PathSpans(
        spans.trace_id, ids, parent_ids, starts, ends, names, services, kinds, codes, messages,
        rows, *_WHAT_FOLLOWS(spans),
    )  # fmt: skip


def _ties_by_attributes(spans: PathSpans, placed: list[_Placed]) -> list[_Placed]:
    """Only spans that agree in all that is cheap to compare need their attributes."""
    found: list[_Placed] = []
    for _, same in groupby(placed, key=itemgetter(slice(-1))):
        ties = list(same)
        if len(ties) > 1:
            ties.sort(key=lambda one: _attributes(spans, one[-1]))
        found += ties
    return found


def _attributes(spans: PathSpans, row: int) -> tuple[object, ...]:
    """Everything else an answer depends on, then everything a report may show, so that only
    equal spans tie."""
    has_any = spans.attribute(row, ANALYSIS_ATTRIBUTES) is not None
    return (
        tuple(spans.attribute(row, (key,)) or "" for key in ANALYSIS_ATTRIBUTES) if has_any else (),
        span_content(spans.sent[row]) if spans.sent else (),
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
