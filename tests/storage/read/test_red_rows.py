"""RED rows of one operation are those that were put, also where they lie folded in files."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.ids import split_trace_id
from longpole.model.timerange import TimeRange
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import DerivedRows
from tests.storage.span_examples import NOON, derived_of, span, submit_spans

STEP = columns.RED_STEP_NS
OPERATIONS = ("in each", "in many", "seldom", "of one kind more", "once")
Row = dict[str, Any]


def drawn(draw: random.Random, trace_id: int, revision: int) -> list[Row]:
    """One to six rows as the analyzer makes them: a kind and status has one in each step."""
    hi, lo = split_trace_id(trace_id)
    rows = []
    for operation, share in zip(OPERATIONS, (1.0, 0.6, 0.1, 0.2, 0.02), strict=True):
        if draw.random() >= share:
            continue
        for kind in {2, draw.choice((1, 2, 3, 4, 5)) if "kind" in operation else 2}:
            count, status = draw.choice((1, 1, 3)), draw.choice((0, 0, 1, 2))
            buckets = [0] * (len(columns.RED_BOUNDS_NS) + 1)
            buckets[draw.randrange(len(buckets))] = count
            rows.append(
                {"trace_hi": hi, "trace_lo": lo, "revision": revision, "service": "shop",
                 "step_unix_nano": NOON + draw.randrange(9) * STEP, "operation": operation,
                 "kind": kind, "status_code": status, "count": count,
                 "errors": count if status == 2 else 0, "bucket_counts": buckets,
                 "duration_sum_ns": draw.randrange(10**9), "critical_ns": draw.randrange(10**6)}
            )  # fmt: skip
    return rows


def put_in_files(store: DuckDBStore, clock: ManualClock, files: int) -> list[Row]:
    """Fill so many files; of each some traces go on in the next. The rows that count."""
    draw = random.Random(3)
    held: dict[int, list[Row]] = {}
    for file in range(files):
        submit_spans(store, *(span(n, file + 1) for n in range(file * 50, file * 50 + 70)))
        clock.advance(6)
        whole = store.quiet_traces(1000, ())
        settled = derived_of(whole)
        held |= {state.trace_id: drawn(draw, state.trace_id, state.revision)
                 for state in whole.traces}  # fmt: skip
        rows = [row for state in whole.traces for row in held[state.trace_id]]
        red = pa.Table.from_pylist(rows, schema=columns.RED)
        store.put_derived(DerivedRows(settled.settled, {**settled.tables, "red": red}))
        store.seal()
    return [row for rows in held.values() for row in rows]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    clock = ManualClock(NOON)
    folder: Path = tmp_path_factory.mktemp("red") / "data"
    store = DuckDBStore.open(StoreSettings(data_dir=folder), clock)
    store.load()
    rows = put_in_files(store, clock, files=3)
    yield store, rows
    store.close()


@pytest.mark.parametrize("steps", [(None, None), (2, 5), (8, None), (9, 12)])
@pytest.mark.parametrize("operation", [*OPERATIONS, "unknown"])
def test_they_add_up_to_what_was_put(
    filled: tuple[DuckDBStore, list[Row]], operation: str, steps: tuple[int | None, int | None]
) -> None:
    store, rows = filled
    ends = [None if step is None else NOON + step * STEP for step in steps]
    everything = TimeRange()
    time = TimeRange(
        everything.start_unix_nano if ends[0] is None else ends[0],
        everything.end_unix_nano if ends[1] is None else ends[1],
    )

    answer = store.red_rows(time, "shop", operation).to_pylist()

    sums: dict[tuple[int, int, int], Counter[str]] = {}
    for row in rows:
        inside = time.start_unix_nano <= row["step_unix_nano"] < time.end_unix_nano
        if row["operation"] == operation and inside:
            key = (row["step_unix_nano"], row["kind"], row["status_code"])
            own = sums.setdefault(key, Counter())
            for name in ("count", "errors", "duration_sum_ns", "critical_ns"):
                own[name] += row[name]
            own.update({f"b{n}": count for n, count in enumerate(row["bucket_counts"])})
    buckets = range(len(columns.RED_BOUNDS_NS) + 1)
    expected = [
        {"step_unix_nano": key[0], "kind": key[1], "status_code": key[2],
         **{name: own[name] for name in ("count", "errors", "duration_sum_ns", "critical_ns")},
         "bucket_counts": [own[f"b{n}"] for n in buckets]}
        for key, own in sorted(sums.items())
    ]  # fmt: skip
    assert answer == expected


def test_they_lie_folded(filled: tuple[DuckDBStore, list[Row]]) -> None:
    """Else the tests above would say nothing of what they are about."""
    store, _ = filled
    with store.lease() as lease:
        foldings = [segment.folding for segment in lease.snapshot.segments_of("derived")]
    assert len(foldings) == 3
    assert all(folding is not None and "red" not in folding.plain for folding in foldings)
