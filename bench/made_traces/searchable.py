"""A store to search in: millions of spans with attributes, resources, verdicts and findings.

A few thousand traces are made and explained for good; the store holds them again and again, each
time with other ids and later times, so that a store of ten million spans is filled in minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bench.made_traces.batches import NOTHING, START, small_traces

from longpole.analyzer.settle import settle_once
from longpole.model import columns
from longpole.model.clock import ManualClock
from longpole.model.ids import join_trace_id
from longpole.model.signals import Signal
from longpole.model.telemetry import TABLES_OF_SIGNAL, Telemetry
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.ports import DerivedRows, TraceState, WholeTraces

SPANS = 10
POOL_TRACES = 5_000
COPIES_PER_SEAL = 10
ROUTES = np.array([f"/api/{noun}/{{id}}" for noun in ("cart", "order", "user", "item", "search")])
CODES = np.array([200, 200, 200, 200, 200, 201, 204, 400, 404, 500])
HOSTS, VERSIONS = 4, ("1.8.2", "1.8.3")


@dataclass(frozen=True, slots=True)
class Pool:
    """Explained traces to copy: their spans in trace order, and derived tables whose
    `trace_lo` counts from 1 in that order."""

    whole: WholeTraces
    derived: DerivedRows


class _Kept:
    """A feed that hands out traces once and keeps what was found."""

    def __init__(self, whole: WholeTraces) -> None:
        self._whole = whole
        self.rows = DerivedRows((), {})

    def quiet_traces(self, limit: int, attributes: object) -> WholeTraces:
        return self._whole

    def put_derived(self, rows: DerivedRows) -> None:
        self.rows = rows

    def pending_traces(self) -> int:
        return len(self._whole.traces)


def pool(traces: int = POOL_TRACES) -> Pool:
    """Traces of ten spans; some ask their database again and again, some fail."""
    whole = small_traces(traces)
    kept = _Kept(whole)
    settle_once(kept, ManualClock())
    return Pool(whole, kept.rows)


def filled_store(
    folder: Path, traces: int, end_unix_nano: int, hours: float = 1.0, seed: int = 1
) -> DuckDBStore:
    """A store of so many settled traces whose roots begin evenly over the hours before
    `end_unix_nano`, sealed and compacted."""
    clock = ManualClock()
    store = DuckDBStore.open(StoreSettings(data_dir=folder), clock)
    store.load()
    made = pool(min(POOL_TRACES, traces))
    step = round(hours * 3600 * 1e9 / traces)
    begin = end_unix_nano - traces * step
    random = np.random.default_rng(seed)
    size = len(made.whole.traces)
    for copy in range(-(-traces // size)):
        ids = random.integers(1, 1 << 63, (2, size), np.int64).astype(np.uint64)
        # The n-th trace of the pool began n times 1,000,003 ns after START.
        places = np.arange(1, size + 1)
        shift = begin + (copy * size + places - 1) * step - START - places * 1_000_003
        store.submit(_request(made, ids, shift, copy), clock.now_unix_nano()).result()
        store.put_derived(_derived(made, ids, shift))
        if copy % COPIES_PER_SEAL == COPIES_PER_SEAL - 1:
            store.seal()
    store.seal()
    before = -1
    while before != store.status().segment_count:
        before = store.status().segment_count
        store.tick()
    return store


def _request(made: Pool, ids: npt.NDArray[np.uint64], shift: npt.NDArray[Any], copy: int) -> Any:
    """One copy of the pool as a request; its bytes are never read again."""
    spans = made.whole.spans
    rows = spans.num_rows
    trace = np.repeat(np.arange(rows // SPANS), SPANS)
    services = spans.column("service_name").to_numpy()
    names, codes = np.unique(services.astype(str), return_inverse=True)
    host = (trace + copy) % HOSTS
    resource = (codes * HOSTS + host + 1).astype(np.uint64)
    is_server = spans.column("kind").to_numpy() == 2
    callee = spans.column("server.address").to_numpy()
    texts = {
        "http.route": np.where(is_server, ROUTES[trace % ROUTES.size], NOTHING),
        "server.address": callee,
        "db.system": np.where(callee == "db", "postgresql", NOTHING),
        "customer.id": np.where(is_server, np.char.add("c-", (trace % 997).astype(str)), NOTHING),
    }
    numbers = {"http.response.status_code": np.where(is_server, CODES[trace % CODES.size], None)}
    given: dict[str, Any] = {
        name: spans.column(name).combine_chunks()
        for name in spans.column_names
        if name in columns.SPANS.names
    }
    given |= {
        "row_id": pa.array(np.arange(rows, dtype=np.uint64)),
        "trace_hi": pa.array(np.repeat(ids[0], SPANS)),
        "trace_lo": pa.array(np.repeat(ids[1], SPANS)),
        "start_unix_nano": pa.array(
            spans.column("start_unix_nano").to_numpy() + np.repeat(shift, SPANS)
        ),
        "resource_id": pa.array(resource),
        **_lists("str", texts, pa.string()),
        **_lists("int", numbers, pa.int64()),
    }
    tables = {n: schema.empty_table() for n, schema in TABLES_OF_SIGNAL[Signal.TRACES].items()}
    tables["spans"] = _table(columns.SPANS, given, rows)
    tables["resources"] = _resources(names.tolist())
    return Telemetry(Signal.TRACES, tables, copy.to_bytes(8, "big"))


def _resources(services: list[str]) -> pa.Table:
    count = len(services) * HOSTS
    numbers = np.arange(count)
    named = np.repeat(np.array(services, object), HOSTS)
    attributes = {
        "service.name": named,
        "service.version": np.array(VERSIONS, object)[(numbers % HOSTS == 0).astype(int)],
        "host.name": np.char.add("node-", (numbers % HOSTS).astype(str)).astype(object),
    }
    given = {
        "resource_id": pa.array((numbers + 1).astype(np.uint64)),
        "service_name": pa.array(named, pa.string()),
        **_lists("str", attributes, pa.string()),
    }
    return _table(columns.RESOURCES, given, count)


def _lists(kind: str, values: dict[str, npt.NDArray[Any]], type_: pa.DataType) -> dict[str, Any]:
    """The two list columns of one attribute type; a value of None is no attribute."""
    stacked = np.stack([column.astype(object) for column in values.values()], axis=1)
    is_there = np.not_equal(stacked, None)
    offsets = pa.array(np.append(0, np.cumsum(is_there.sum(axis=1))).astype(np.int32))
    keys = np.broadcast_to(np.array(list(values), object), stacked.shape)[is_there]
    return {
        f"attr_{kind}_keys": pa.ListArray.from_arrays(offsets, pa.array(keys, pa.string())),
        f"attr_{kind}_vals": pa.ListArray.from_arrays(offsets, pa.array(stacked[is_there], type_)),
    }


def _table(schema: pa.Schema, given: dict[str, Any], rows: int) -> pa.Table:
    """The columns given, and empty ones for the others."""
    arrays = []
    for field in schema:
        if field.name in given:
            arrays.append(given[field.name].cast(field.type))
        elif pa.types.is_list(field.type):
            nothing = pa.array(np.zeros(rows + 1, np.int32))
            arrays.append(pa.ListArray.from_arrays(nothing, pa.array([], field.type.value_type)))
        else:
            zero = "" if pa.types.is_string(field.type) else 0
            arrays.append(pa.array([zero], field.type).take(pa.array(np.zeros(rows, np.int32))))
    return pa.Table.from_arrays(arrays, schema=schema)


def _derived(made: Pool, ids: npt.NDArray[np.uint64], shift: npt.NDArray[Any]) -> DerivedRows:
    tables = {}
    for name, table in made.derived.tables.items():
        place = table.column("trace_lo").to_numpy().astype(np.int64) - 1
        tables[name] = _moved(table, ids[:, place], shift[place])
    states = tuple(
        TraceState(join_trace_id(hi, lo), 1, 1 << 62)
        for hi, lo in zip(ids[0].tolist(), ids[1].tolist(), strict=True)
    )
    return DerivedRows(states, tables)


def _moved(table: pa.Table, ids: npt.NDArray[np.uint64], shift: npt.NDArray[Any]) -> pa.Table:
    for index, field in enumerate(table.schema):
        if field.name == "trace_hi":
            moved = ids[0]
        elif field.name == "trace_lo":
            moved = ids[1]
        elif field.name == "step_unix_nano":
            at = table.column(index).to_numpy() + shift
            moved = at - at % columns.RED_STEP_NS
        elif field.name.endswith("_unix_nano"):
            moved = table.column(index).to_numpy() + shift
        else:
            continue
        table = table.set_column(index, field, pa.array(moved, field.type))
    return table
