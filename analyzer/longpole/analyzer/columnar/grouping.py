"""Grouping: the spans of every trace by step, service, operation, kind and status, in a
compiled loop.

The same groups, in the same order, as `derived_rows` finds for one trace: by the first span of
each, spans taken in id order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from longpole.model import columns
from longpole.model.compiling import BYTES, CODES, INT, INTS, OUT, compiled
from longpole.model.span import StatusCode

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_ERROR = int(StatusCode.ERROR)
_BOUNDS = np.array(columns.RED_BOUNDS_NS, np.int64)
_LARGEST = (1 << 63) - 1


class SpanGroups(NamedTuple):
    """Groups of trace t: `offsets[t]` to `offsets[t + 1]`; odd traces have none. Per group: the
    first of its spans, how many there are, how long they take together (cut to 64 bits), how
    many fall into each duration bucket (a row each), and their time on the path. Per trace:
    `errors`, and how many different `services` it has."""

    offsets: Ints
    first: Ints
    counts: Ints
    duration_ns: Ints
    buckets: Ints
    critical_ns: Ints
    errors: Ints
    services: Ints


def group_all(
    offsets: Ints,
    odd: Bytes,
    starts: Ints,
    ends: Ints,
    services: Codes,
    service_count: int,
    names: Codes,
    kinds: Codes,
    statuses: Codes,
    critical_ns: Ints,
) -> SpanGroups:
    """The groups of every trace that is not odd."""
    return SpanGroups(
        *_group(
            offsets, odd, starts, ends, services, names, kinds, statuses, critical_ns, _BOUNDS,
            np.full(service_count, -1, np.int64), columns.RED_STEP_NS,
        )
    )  # fmt: skip


@compiled(INTS, BYTES, INTS, INTS, CODES, CODES, CODES, CODES, INTS, INTS, OUT, INT, allocates=True)
def _group(
    offsets: Ints,
    odd: Bytes,
    starts: Ints,
    ends: Ints,
    services: Codes,
    names: Codes,
    kinds: Codes,
    statuses: Codes,
    critical_ns: Ints,
    bounds: Ints,
    seen_in: Ints,
    step_ns: int,
) -> Any:
    trace_count = offsets.size - 1
    largest = 0
    for trace in range(trace_count):
        largest = max(largest, offsets[trace + 1] - offsets[trace])
    size = 4
    while size < 2 * largest:
        size *= 2
    table = np.empty(size, np.int64)
    group_offsets = np.zeros(trace_count + 1, np.int64)
    first = np.empty(starts.size, np.int64)
    group_of = np.full(starts.size, -1, np.int64)
    errors = np.zeros(trace_count, np.int64)
    distinct = np.zeros(trace_count, np.int64)
    count = 0
    for trace in range(trace_count):
        group_offsets[trace] = count
        if odd[trace]:
            continue
        begin, end = offsets[trace], offsets[trace + 1]
        # At most half of the table is used, so a free slot is never far.
        size = 4
        while size < 2 * (end - begin):
            size *= 2
        table[:size] = -1
        for i in range(begin, end):
            errors[trace] += statuses[i] == _ERROR
            if seen_in[services[i]] != trace:
                seen_in[services[i]] = trace
                distinct[trace] += 1
            step = ends[i] // step_ns
            kind: Any = np.int64(kinds[i])
            status: Any = np.int64(statuses[i])
            slot = _slot_of(step, services[i], names[i], kind, status) & (size - 1)
            while table[slot] >= 0:
                other = first[table[slot]]
                if (
                    services[other] == services[i]
                    and names[other] == names[i]
                    and kinds[other] == kinds[i]
                    and statuses[other] == statuses[i]
                    and ends[other] // step_ns == step
                ):
                    break
                slot = (slot + 1) & (size - 1)
            if table[slot] < 0:
                table[slot] = count
                first[count] = i
                count += 1
            group_of[i] = table[slot]
    group_offsets[trace_count] = count
    counts = np.zeros(count, np.int64)
    durations = np.zeros(count, np.int64)
    buckets = np.zeros((count, bounds.size + 1), np.int64)
    critical = np.zeros(count, np.int64)
    for i in range(starts.size):
        group = group_of[i]
        if group < 0:
            continue
        duration = ends[i] - starts[i]
        counts[group] += 1
        durations[group] += min(duration, _LARGEST - durations[group])
        buckets[group, np.searchsorted(bounds, duration)] += 1
        critical[group] += critical_ns[i]
    return (
        group_offsets, first[:count].copy(), counts, durations, buckets, critical, errors,
        distinct,
    )  # fmt: skip


@compiled(INT, INT, INT, INT, INT)
def _slot_of(step: int, service: int, name: int, kind: int, status: int) -> Any:
    mixed = np.uint64(step + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= np.uint64(service + 1) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= np.uint64(name + 1) * np.uint64(0x165667B19E3779F9)
    # Kinds and status codes are whatever was sent, negative ones included.
    mixed ^= np.uint64(kind + (1 << 32)) * np.uint64(0x27D4EB2F165667C5)
    mixed ^= np.uint64(status + (1 << 32)) * np.uint64(0x85EBCA77C2B2AE63)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(mixed >> np.uint64(33))
