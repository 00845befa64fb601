"""Traces in a store on disk, as `bench/analyze.py` needs them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bench.made_traces.batches import small_traces

from longpole.analyzer.columnar.batch import PATH_ATTRIBUTES
from longpole.analyzer.columnar.derived import derived_tables
from longpole.analyzer.columnar.paths import batch_paths
from longpole.analyzer.path_spans import ANALYSIS_ATTRIBUTES
from longpole.analyzer.reports.critical_path_report import critical_path_report
from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.query import TraceQuery
from longpole.model.signals import Signal
from longpole.model.telemetry import TABLES_OF_SIGNAL, Telemetry
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import DerivedRows, WholeTraces

SPANS_PER_REQUEST = 100_000
TRACES_PER_SEAL = 50_000


def first_of(whole: WholeTraces, traces: int) -> WholeTraces:
    """The first traces of a batch in which all have ten spans."""
    return replace(whole, spans=whole.spans.slice(0, traces * 10), traces=whole.traces[:traces])


class RepeatingFeed:
    """A feed that hands out the same traces every time."""

    def __init__(self, whole: WholeTraces) -> None:
        self._whole = whole

    def quiet_traces(self, limit: int, attributes: object) -> WholeTraces:
        return self._whole

    def put_derived(self, rows: DerivedRows) -> None:
        pass

    def pending_traces(self) -> int:
        return len(self._whole.traces)


def sealed_store(folder: Path, whole: WholeTraces) -> tuple[DuckDBStore, list[int]]:
    """A store whose spans all lie in sealed segments, and the ids of its traces."""
    clock = ManualClock()
    store = DuckDBStore.open(StoreSettings(data_dir=folder, settle_after_seconds=1.0), clock)
    store.load()
    for begin in range(0, whole.spans.num_rows, SPANS_PER_REQUEST):
        store.submit(_request(whole.spans.slice(begin, SPANS_PER_REQUEST)), clock.now_unix_nano())
    store.seal()
    clock.advance(100)
    return store, [state.trace_id for state in whole.traces]


def _request(spans: pa.Table) -> Telemetry:
    """The request that these spans might have come in; its bytes are never read again."""
    rows = spans.num_rows
    keys, values = [], []
    for key in ("server.address", "http.route"):
        keys.append(pa.array(np.where(spans.column(key).is_valid(), key, None), pa.string()))
        values.append(spans.column(key).combine_chunks())
    is_there = np.array([column.is_valid().to_numpy(zero_copy_only=False) for column in keys])
    offsets = pa.array(np.append(0, np.cumsum(is_there.sum(axis=0))).astype(np.int32))
    flat = is_there.T.ravel()
    made = {
        "row_id": pa.array(np.arange(rows, dtype=np.uint64)),
        "attr_str_keys": pa.ListArray.from_arrays(offsets, _interleaved(keys, flat)),
        "attr_str_vals": pa.ListArray.from_arrays(offsets, _interleaved(values, flat)),
    }
    arrays = []
    for field in columns.SPANS:
        if field.name in made:
            arrays.append(made[field.name])
        elif field.name in spans.column_names:
            arrays.append(spans.column(field.name).combine_chunks())
        elif pa.types.is_list(field.type):
            nothing = pa.array(np.zeros(rows + 1, np.int32))
            arrays.append(pa.ListArray.from_arrays(nothing, pa.array([], field.type.value_type)))
        else:
            zero = "" if pa.types.is_string(field.type) else 0
            arrays.append(pa.array([zero], field.type).take(pa.array(np.zeros(rows, np.int32))))
    tables = {
        name: schema.empty_table() for name, schema in TABLES_OF_SIGNAL[Signal.TRACES].items()
    }
    tables["spans"] = pa.Table.from_arrays(
        [array.cast(field.type) for array, field in zip(arrays, columns.SPANS, strict=True)],
        schema=columns.SPANS,
    )
    return Telemetry(Signal.TRACES, tables, spans.column("trace_lo")[0].as_py().to_bytes(8, "big"))


def _interleaved(parts: list[pa.Array], is_there: npt.NDArray[Any]) -> pa.Array:
    count = len(parts[0])
    order = np.arange(count * len(parts)).reshape(len(parts), count).T.ravel()[is_there]
    return pa.concat_arrays(parts).take(pa.array(order))


def read(store: DuckDBStore, trace_ids: list[int]) -> WholeTraces:
    """All of these traces at once, as analysis asks for them."""
    return store.whole_traces(trace_ids, ANALYSIS_ATTRIBUTES)


def read_paths(store: DuckDBStore, trace_ids: list[int]) -> WholeTraces:
    """The same with what paths alone need, as totals over unsettled traces ask for them."""
    return store.whole_traces(trace_ids, PATH_ATTRIBUTES)


def explained_store(folder: Path, traces: int) -> DuckDBStore:
    """A store with the derived rows (`traces` and `path_segments`) of so many traces of ten
    spans, sealed. Only the root spans are stored themselves: totals never read spans."""
    clock = ManualClock()
    store = DuckDBStore.open(StoreSettings(data_dir=folder), clock)
    store.load()
    for first in range(1, traces + 1, TRACES_PER_SEAL):
        whole = small_traces(min(TRACES_PER_SEAL, traces + 1 - first), first)
        roots = whole.spans.take(pa.array(np.arange(0, whole.spans.num_rows, 10)))
        store.submit(_request(roots), clock.now_unix_nano()).result()
        tables = derived_tables(batch_paths(whole), [""] * len(whole.traces), {})
        states = tuple(one._replace(through_row_id=1 << 62) for one in whole.traces)
        store.put_derived(
            DerivedRows(states, {name: tables[name] for name in tables if name != "red"})
        )
        store.seal()
    return store


def aggregate(store: DuckDBStore) -> dict[str, Any]:
    """What `longpole critical-path` does."""
    return critical_path_report(store, TraceQuery(limit=None))
