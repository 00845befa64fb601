"""Counts what settles, for `/metrics`: counters that only grow while the process runs.

A trace counts when it is settled for the first time. When a later revision replaces its rows, what
grew is added, and what shrank of the critical path is counted apart, so that the counter less the
revised time is exact. What was settled before a restart does not count again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from longpole.model import columns
from longpole.storage.ports import DerivedRows, SettleFeed, WholeTraces

Key: TypeAlias = tuple[str | int, ...]
Floats: TypeAlias = NDArray[np.float64]
RED_KEY = ("service", "operation", "kind", "status_code")
PATH_KEY = ("root_service", "root_operation", "service", "operation", "label")
TABLES = ("red", "path_segments")
_TRACE = ("trace_hi", "trace_lo")
_BUCKETS = len(columns.RED_BOUNDS_NS) + 1
# Calls, nanoseconds, and calls by bucket.
_RED_NUMBERS = ("count", "ns", *(f"b{place}" for place in range(_BUCKETS)))


# Rows of one batch that are looked at for exemplars, the last ones.
_EXEMPLAR_ROWS = 256


@dataclass(frozen=True, slots=True)
class ExemplarCall:
    """One call that a bucket counted, and when it ended, to ten seconds."""

    trace_id: int
    duration_ns: int
    seen_unix_nano: int


@dataclass(frozen=True, slots=True)
class SpanCounts:
    """Everything counted so far. `red`: calls, nanoseconds and calls by bucket of each key;
    `path` and `revised`: nanoseconds. Keys that stand for the rest end in "rest"; what
    they do not tell apart is empty. `merged_spans` are the calls in these. `exemplars`: a late one
    for each bucket of a key of `red`, where there is one."""

    red: Mapping[Key, Floats] = field(default_factory=dict)
    path: Mapping[Key, float] = field(default_factory=dict)
    revised: Mapping[Key, float] = field(default_factory=dict)
    merged_spans: float = 0.0
    exemplars: Mapping[Key, Mapping[int, ExemplarCall]] = field(default_factory=dict)


class SpanCounters:
    """The counters; any thread may use them. From `most_keys` different ones on, what is new counts
    for its service without the operation, and from twice as many on for no service."""

    def __init__(self, most_keys: int = 1_000) -> None:
        self._most_keys = most_keys
        self._lock = threading.Lock()
        self._red: dict[Key, Floats] = {}
        self._path: dict[Key, Floats] = {}
        self._revised: dict[Key, Floats] = {}
        self._merged = 0.0
        self._exemplars: dict[Key, dict[int, ExemplarCall]] = {}

    def add(self, rows: DerivedRows, earlier: Mapping[str, pa.Table]) -> None:
        """Count derived rows; `earlier` has the rows of `TABLES` that those of their traces
        replace."""
        red, _ = _growth(_red_numbers(rows.tables.get("red")), _red_numbers(earlier.get("red")),
                         RED_KEY, _RED_NUMBERS)  # fmt: skip
        path, shrunk = _growth(
            _path_numbers(rows.tables.get("path_segments")),
            _path_numbers(earlier.get("path_segments")), PATH_KEY, ("ns",),
        )  # fmt: skip
        with self._lock:
            for key, numbers in red.items():
                if self._put(self._red, key, numbers, 0) != key:
                    self._merged += float(numbers[0])
            for key, bucket, call in _single_calls(rows.tables.get("red")):
                if key in self._red:
                    self._exemplars.setdefault(key, {})[bucket] = call
            for key, numbers in path.items():
                self._put(self._path, key, numbers, 2)
            for key, numbers in shrunk.items():
                self._put(self._revised, key, numbers, 2)

    def counts(self) -> SpanCounts:
        """Everything counted so far."""
        with self._lock:
            return SpanCounts(
                {key: numbers.copy() for key, numbers in self._red.items()},
                {key: float(numbers[0]) for key, numbers in self._path.items()},
                {key: float(numbers[0]) for key, numbers in self._revised.items()},
                self._merged,
                {key: dict(calls) for key, calls in self._exemplars.items()},
            )

    def _put(self, kept: dict[Key, Floats], key: Key, numbers: Floats, service: int) -> Key:
        """Add to a key, or to what stands for it; which one that was."""
        place = key
        if key not in kept and len(kept) >= self._most_keys:
            place = _rest(key, service, len(kept) >= 2 * self._most_keys)
        known = kept.get(place)
        if known is None:
            kept[place] = numbers.copy()
        else:
            known += numbers
        return place


def _rest(key: Key, service: int, is_nameless: bool) -> Key:
    """A key with nothing but its service (or not even that), kind and status or label."""
    kept = {len(key) - 1} if is_nameless else {service, len(key) - 1}
    if len(key) == len(RED_KEY):
        kept.add(2)
    return tuple(part if place in kept else "" for place, part in enumerate(key)) + ("rest",)


def _red_numbers(rows: pa.Table | None) -> pa.Table:
    if rows is None or not rows.num_rows:
        return _nothing(RED_KEY, _RED_NUMBERS)
    lists = rows.column("bucket_counts").combine_chunks()
    buckets = lists.flatten().to_numpy().astype(np.float64).reshape(rows.num_rows, _BUCKETS)
    numbers = [
        *(rows.column(name).cast(pa.float64(), safe=False) for name in
          ("count", "duration_sum_ns")),
        *(pa.array(np.ascontiguousarray(buckets[:, place])) for place in range(_BUCKETS)),
    ]  # fmt: skip
    return _table(rows, RED_KEY, numbers, _RED_NUMBERS)


def _single_calls(rows: pa.Table | None) -> Iterator[tuple[Key, int, ExemplarCall]]:
    """Of the last rows those that stand for one call, whose duration is then known, with their
    key and bucket."""
    if rows is None:
        return
    last = rows.slice(max(0, rows.num_rows - _EXEMPLAR_ROWS))
    for row in last.filter(pc.equal(last.column("count"), 1)).to_pylist():
        key = tuple(row[name] for name in RED_KEY)
        trace_id = row["trace_hi"] << 64 | row["trace_lo"]
        call = ExemplarCall(trace_id, row["duration_sum_ns"], row["step_unix_nano"])
        yield key, row["bucket_counts"].index(1), call


def _path_numbers(rows: pa.Table | None) -> pa.Table:
    if rows is None or not rows.num_rows:
        return _nothing(PATH_KEY, ("ns",))
    length = pc.subtract(rows.column("end_unix_nano"), rows.column("start_unix_nano"))
    return _table(rows, PATH_KEY, [length.cast(pa.float64(), safe=False)], ("ns",))


def _table(
    rows: pa.Table, key: Sequence[str], numbers: Sequence[pa.Array], names: Sequence[str]
) -> pa.Table:
    held = (*_TRACE, *key)
    return pa.table([*(rows.column(name) for name in held), *numbers], [*held, *names])


def _nothing(key: Sequence[str], names: Sequence[str]) -> pa.Table:
    kinds = {"kind": pa.int32(), "status_code": pa.int32(), **dict.fromkeys(_TRACE, pa.uint64())}
    fields = [pa.field(name, kinds.get(name, pa.string())) for name in (*_TRACE, *key)]
    return pa.schema([*fields, *(pa.field(name, pa.float64()) for name in names)]).empty_table()


def _growth(
    now: pa.Table, before: pa.Table, key: Sequence[str], names: Sequence[str]
) -> tuple[dict[Key, Floats], dict[Key, Floats]]:
    """What grew and what shrank of each key, trace by trace."""
    if not before.num_rows:
        return _by_key(now, key, names), {}
    taken = before
    for place, name in enumerate(names, len(key) + len(_TRACE)):
        taken = taken.set_column(place, name, pc.negate(taken.column(name)))
    both = pa.concat_tables([now, taken.cast(now.schema)])
    by_trace = both.group_by([*_TRACE, *key]).aggregate([(name, "sum") for name in names])
    numbers = [by_trace.column(f"{name}_sum") for name in names]
    grew = [pc.max_element_wise(column, 0.0) for column in numbers]
    shrank = [pc.max_element_wise(pc.negate(column), 0.0) for column in numbers]
    return (
        _by_key(_table(by_trace, key, grew, names), key, names),
        _by_key(_table(by_trace, key, shrank, names), key, names),
    )


def _by_key(rows: pa.Table, key: Sequence[str], names: Sequence[str]) -> dict[Key, Floats]:
    summed = rows.group_by(list(key)).aggregate([(name, "sum") for name in names])
    keys = zip(*(summed.column(name).to_pylist() for name in key), strict=True)
    numbers = np.stack([summed.column(f"{name}_sum").to_numpy() for name in names], axis=1)
    return {found: row for found, row in zip(keys, numbers, strict=True) if row.any()}


class SettledRows(Protocol):
    """Where the rows are that new ones replace; `TraceParts` has it."""

    def settled_rows(self, trace_ids: Sequence[int], table: str) -> pa.Table:
        """See `TraceParts`."""
        ...


class CountingFeed:
    """A `SettleFeed` that counts what is put."""

    def __init__(self, feed: SettleFeed, kept: SettledRows, counters: SpanCounters) -> None:
        self._feed = feed
        self._kept = kept
        self._counters = counters

    def quiet_traces(self, limit: int, attributes: Sequence[str]) -> WholeTraces:
        """See `SettleFeed`."""
        return self._feed.quiet_traces(limit, attributes)

    def put_derived(self, rows: DerivedRows) -> None:
        """See `SettleFeed`; counted once they are kept."""
        again = [state.trace_id for state in rows.settled if state.revision > 1]
        earlier = (
            {table: self._kept.settled_rows(again, table) for table in TABLES} if again else {}
        )
        self._feed.put_derived(rows)
        self._counters.add(rows, earlier)

    def pending_traces(self) -> int:
        """See `SettleFeed`."""
        return self._feed.pending_traces()
