"""Whole traces by the million as Arrow columns, made without a loop over spans."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.model import columns
from longpole.storage.ports import WHOLE_TRACE_COLUMNS, TraceState, WholeTraces

START = 1_790_000_000_000_000_000
SPANS = 10
NOTHING = np.array(None, object)
SERVICES = np.array(["gateway", "order", "payment", "inventory", "shipping", "user"])
OPERATIONS = np.array([f"{verb} /{noun}" for verb in ("GET", "POST") for noun in "abcdefghij"])


def small_traces(count: int, first: int = 1) -> WholeTraces:
    """Traces of ten spans as a shop makes them: a server, calls with their servers below, some
    beside each other, 2 % errors, some calls to a database that sends no spans. Trace ids count
    from `first` on."""
    random = np.random.default_rng(first)
    #                      0  1  2  3  4  5  6  7  8  9
    parent = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 2])
    kind = np.array([2, 3, 2, 3, 3, 2, 3, 3, 2, 1], np.int32)
    starts = np.zeros((count, SPANS), np.int64)
    ends = np.zeros((count, SPANS), np.int64)
    starts[:, 0] = START + np.arange(first, first + count) * 1_000_003
    ends[:, 0] = starts[:, 0] + random.integers(20_000_000, 900_000_000, count)
    for place in range(1, SPANS):
        low, high = starts[:, parent[place]], ends[:, parent[place]]
        length = high - low
        starts[:, place] = low + (length * random.uniform(0, 0.6, count)).astype(np.int64)
        rest = high - starts[:, place]
        ends[:, place] = starts[:, place] + (rest * random.uniform(0.2, 1, count)).astype(np.int64)
    ids = random.integers(1, 1 << 63, (count, SPANS), np.int64).astype(np.uint64)
    parents = np.where(parent >= 0, ids[:, parent], 0)
    trace = np.repeat(np.arange(first, first + count, dtype=np.uint64), SPANS)
    service = np.array([0, 0, 1, 1, 0, 2, 2, 0, 3, 1])
    # Calls are named by their method and say whom they call, as HTTP clients do.
    callee = np.array([None, "order", None, "db", "payment", None, "db", "user", None, None])
    is_call = np.tile(kind == 3, count)
    places = np.tile(np.arange(10), count)
    names = np.where(
        is_call, "POST", OPERATIONS[(places + trace.astype(np.int64)) % OPERATIONS.size]
    )
    attributes = {
        "server.address": np.tile(callee, count),
        "http.route": np.where(np.tile(kind == 2, count), "/a", NOTHING),
    }
    return batch(
        trace, ids.ravel(), parents.ravel(), starts.ravel(), ends.ravel(),
        np.tile(kind, count), SERVICES[np.tile(service, count)], names,
        (random.random(count * SPANS) < 0.02).astype(np.int32) * 2, attributes,
    )  # fmt: skip


def one_trace(
    starts: npt.NDArray[Any], ends: npt.NDArray[Any], parents: npt.NDArray[Any]
) -> WholeTraces:
    """One trace: span i (from 1 on) hangs below `parents[i - 1]`, 0 for none."""
    count = starts.size
    ids = np.arange(1, count + 1, dtype=np.uint64)
    return batch(
        np.ones(count, np.uint64), ids, parents.astype(np.uint64), START + starts, START + ends,
        np.ones(count, np.int32), SERVICES[ids.astype(int) % SERVICES.size],
        OPERATIONS[ids.astype(int) % OPERATIONS.size], np.zeros(count, np.int32), {},
    )  # fmt: skip


def flat(count: int) -> WholeTraces:
    """One root with all others below it, overlapping."""
    at = np.arange(count)
    return one_trace(
        np.where(at == 0, 0, 7 * at), np.where(at == 0, 11 * count, 10 * at), np.minimum(at, 1)
    )


def deep(count: int) -> WholeTraces:
    """Every span has one child."""
    at = np.arange(count)
    return one_trace(at, 3 * count - at, at)


def random_tree(count: int, seed: int = 1) -> WholeTraces:
    """Parents and times at random."""
    random = np.random.default_rng(seed)
    parents = (random.random(count) * np.arange(count)).astype(np.int64) + 1
    parents[0] = 0
    starts = random.integers(0, 10_000_000, count)
    ends = starts + random.integers(0, 5_000_000, count)
    starts[0], ends[0] = 0, 15_000_000
    return one_trace(starts, ends, parents)


def batch(
    trace: npt.NDArray[Any],
    ids: npt.NDArray[Any],
    parents: npt.NDArray[Any],
    starts: npt.NDArray[Any],
    ends: npt.NDArray[Any],
    kinds: npt.NDArray[Any],
    services: npt.NDArray[Any],
    names: npt.NDArray[Any],
    statuses: npt.NDArray[Any],
    attributes: dict[str, npt.NDArray[Any]],
) -> WholeTraces:
    """Columns as storage hands them out."""
    count = ids.size
    given = {
        "row_id": np.arange(count, dtype=np.uint64), "trace_hi": np.zeros(count, np.uint64),
        "trace_lo": trace, "span_id": ids, "parent_span_id": parents, "name": names,
        "kind": kinds, "start_unix_nano": starts, "duration_ns": ends - starts,
        "status_code": statuses, "status_message": np.full(count, "", object),
        "service_name": services,
    }  # fmt: skip
    fields = [columns.SPANS.field(name) for name in WHOLE_TRACE_COLUMNS]
    arrays = [pa.array(given[field.name], field.type) for field in fields]
    nothing = pa.nulls(count, pa.string())
    for key in ANALYSIS_ATTRIBUTES:
        fields.append(pa.field(key, pa.string()))
        arrays.append(pa.array(attributes[key], pa.string()) if key in attributes else nothing)
    traces = tuple(TraceState(int(one), 1, count) for one in np.unique(trace))
    return WholeTraces(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), pa.table({}), traces)
