"""Retiming: when everything ends if some spans take longer or shorter; the loops of the model.

A span starts when the last of the siblings that had ended before it began has ended, plus the
gap that was seen; its parent ends when its last child has ended, plus the tail that was seen.

    parent  |--------------------------------|
    a          |-----|                       .       gap(a) from the parent's start
    b          |----------|                  .       gap(b) likewise: it overlaps a
    c                 .   .  |----------|    .       gap(c) from b's end, the later of a and b
                                        |tail|

Start, in time since the parent's start: `max(0, ends of earlier siblings) + gap`. Length of a
parent: `max(0, ends of children) + tail`; a span without children is all tail. Gaps and tails
are a span's own time; what is seen is reproduced exactly if nothing changes. Shifting a span
shifts all below it, so one pass from the leaves up is enough (max-plus algebra; the idea is that
of CRISP's retimer, arXiv 2206.14202, with a parent's own time kept).

The functions here run on lists, and compiled on arrays (`compiled_retiming`): one source for
both. Spans of many traces are numbered through, parents before their children. Children stand in
`by_start` (by start, end, number) and in `by_end` (by end, start, number), those of span n from
`first[n]` to `first[n + 1]`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Ints: TypeAlias = Any  # a list of integers, or an int64 array

PARTS = 1_000_000  # shares are integers in parts per million
MOST_PARTS = 10 * PARTS  # nothing becomes more than ten times as long
# Longer is no duration that anybody means, and less than this times `MOST_PARTS` fits 64 bits.
LONGEST_NS = 1 << 59


def arrange(
    first: Ints,
    by_start: Ints,
    by_end: Ints,
    low: Ints,
    high: Ints,
    absorb: Ints,
    gap: Ints,
    tail: Ints,
) -> None:
    """Fill `absorb`, `gap` (both by place in `by_start`) and `tail` (by span). The siblings that
    a child waits for are those in `by_end` before place `absorb`."""
    for n in range(len(low)):
        begin, end = first[n], first[n + 1]
        absorbed, latest = begin, low[n]
        for place in range(begin, end):
            child = by_start[place]
            # A span without duration neither waits for itself nor for an equal one after it.
            while (
                absorbed < end
                and by_end[absorbed] != child
                and high[by_end[absorbed]] <= low[child]
            ):
                latest = high[by_end[absorbed]]
                absorbed += 1
            absorb[place] = absorbed
            gap[place] = low[child] - latest
        last = low[n]
        if end > begin:
            last = high[by_end[end - 1]]
        tail[n] = high[n] - last


def chains(
    first: Ints,
    by_start: Ints,
    by_end: Ints,
    absorb: Ints,
    gap: Ints,
    tail: Ints,
    low: Ints,
    high: Ints,
    is_root: Ints,
    place_of: Ints,
    own: Ints,
    is_on_path: Ints,
) -> None:
    """Fill by span: `place_of` (its place in `by_start`), `own` (time of its own along the chain
    of children that decides when it ends), and `is_on_path`. With no tolerance (`eps` 0) that is
    the critical path, and `own` of a span on it is its time there."""
    for place in range(len(by_start)):
        place_of[by_start[place]] = place
    for n in range(len(low)):
        if is_root[n]:
            is_on_path[n] = 1
        own[n] = tail[n]
        begin, stop = first[n], first[n + 1]
        while stop > begin:
            # Of several that end last the path goes through the one that starts first.
            chosen = by_end[stop - 1]
            other = stop - 2
            while other >= begin and high[by_end[other]] == high[chosen]:
                rival = by_end[other]
                if low[rival] < low[chosen] or (low[rival] == low[chosen] and rival < chosen):
                    chosen = rival
                other -= 1
            if is_on_path[n]:
                is_on_path[chosen] = 1
            own[n] += gap[place_of[chosen]]
            stop = absorb[place_of[chosen]]


def retime(
    task_traces: Ints,
    task_operations: Ints,
    task_parts: Ints,
    offsets: Ints,
    first: Ints,
    by_start: Ints,
    by_end: Ints,
    absorb: Ints,
    gap: Ints,
    tail: Ints,
    base: Ints,
    parents: Ints,
    operations: Ints,
    is_edited: Ints,
    own_parts: Ints,
    whole_parts: Ints,
    added: Ints,
    cap: Ints,
    together: Ints,
    is_joined: Ints,
    lengths: Ints,
    begins: Ints,
    ends: Ints,
    touched: Ints,
    out: Ints,
) -> None:
    """Fill `out` with the new length of the root for each task, and leave the lengths of all
    spans of a task's trace in `lengths`.

    A task is one trace under the edits (`what_if.edits.Edits`) and, beside them, one operation
    whose own time becomes `task_parts` parts per million of what it was (-1: none). Only
    spans that are edited or contain one whose length changed are looked at. `begins`, `ends`,
    `lengths` are scratch by span, `touched` scratch by span that holds zeros.
    """
    for task in range(len(task_traces)):
        trace, operation, parts = task_traces[task], task_operations[task], task_parts[task]
        stamp = task + 1
        for n in range(offsets[trace + 1] - 1, offsets[trace] - 1, -1):
            is_target = operations[n] == operation
            if not (is_target or is_edited[n] or touched[n] == stamp):
                lengths[n] = base[n]
                continue
            share = own_parts[n]
            if is_target:
                share = parts
            begin, end = first[n], first[n + 1]
            absorbed, running, latest = begin, 0, 0
            for place in range(begin, end):
                child = by_start[place]
                while absorbed < absorb[place]:
                    running = max(running, ends[by_end[absorbed]])
                    absorbed += 1
                own = gap[place]
                if is_joined[child]:
                    own = 0
                elif share != 1_000_000:
                    own = own // 1_000_000 * share + own % 1_000_000 * share // 1_000_000
                start = running + own
                if together[child] >= 0:
                    start = min(start, begins[together[child]])
                begins[child] = start
                ends[child] = min(start + lengths[child], 1 << 59)
                latest = max(latest, ends[child])
            own = tail[n]
            if share != 1_000_000:
                own = own // 1_000_000 * share + own % 1_000_000 * share // 1_000_000
            length = min(latest + own, 1 << 59)
            share = whole_parts[n]
            if share != 1_000_000:
                length = length // 1_000_000 * share + length % 1_000_000 * share // 1_000_000
            length = min(max(0, length + added[n]), cap[n], 1 << 59)
            lengths[n] = length
            if length != base[n] and parents[n] >= 0:
                touched[parents[n]] = stamp
        out[task] = lengths[offsets[trace]]
