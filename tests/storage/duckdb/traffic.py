"""Made-up requests with every kind of value, the same for the same seed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from longpole.formats import otlp
from longpole.model.clock import Clock, ManualClock
from longpole.model.columns import ATTRIBUTE_TYPES
from longpole.model.ids import join_trace_id
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.storage.duckdb.connection import arrow_table
from longpole.storage.duckdb.leases import HeldLease
from longpole.storage.duckdb.segment_info import TABLES_OF_KIND
from longpole.storage.duckdb.snapshot import Segment
from longpole.storage.duckdb.store import DuckDBStore, StoreSettings
from longpole.storage.duckdb.typed_columns import restored

START = 1_700_000_000_000_000_000


def spans(
    trace_ids: Iterable[int], *, seed: int = 0, per_trace: int = 3, service: str = "shop"
) -> Telemetry:
    """A request with some spans of each of these traces, rich in attributes."""
    rng = random.Random(f"{seed}/{service}")
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    _put(block.resource.attributes, "service.name", service)
    _put(block.resource.attributes, "host.cores", 8)
    scope = block.scope_spans.add()
    scope.scope.name, scope.scope.version = "traffic", "1"
    for trace_id in trace_ids:
        parent = b""
        for _ in range(per_trace):
            span = scope.spans.add()
            span.trace_id = trace_id.to_bytes(16, "big")
            span.span_id = rng.getrandbits(63).to_bytes(8, "big")
            span.parent_span_id = parent
            parent = span.span_id
            span.name = rng.choice(["GET /", "query", "publish"])
            span.kind = rng.randrange(6)  # type: ignore[assignment]
            span.start_time_unix_nano = START + rng.randrange(10**9)
            span.end_time_unix_nano = span.start_time_unix_nano + rng.randrange(10**8)
            span.status.code = rng.choice([0, 0, 0, 2])  # type: ignore[assignment]
            _put(span.attributes, "http.route", f"/r{rng.randrange(5)}")
            _put(span.attributes, "http.response.status_code", rng.choice([200, 404, 500]))
            if rng.random() < 0.5:
                _put(span.attributes, "mixed", rng.choice(["text", 7, 2.5, True]))
            if rng.random() < 0.2:
                _put(span.attributes, f"rare.{rng.randrange(10**6)}", "é\0x")
                _put(span.attributes, "tags", ["a", "b"])
            if rng.random() < 0.3:
                event = span.events.add(time_unix_nano=START + rng.randrange(10**9), name="retry")
                _put(event.attributes, "attempt", rng.randrange(4))
            if rng.random() < 0.2:
                link = span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8, trace_state="a=b")
                _put(link.attributes, "why", "batch")
    return otlp.decode(Signal.TRACES, request.SerializeToString())


def logs(trace_ids: Iterable[int], *, seed: int = 0) -> Telemetry:
    """A request with one record for each of these traces (0: of no trace)."""
    rng = random.Random(seed)
    request = ExportLogsServiceRequest()
    block = request.resource_logs.add()
    _put(block.resource.attributes, "service.name", "logger")
    scope = block.scope_logs.add()
    for trace_id in trace_ids:
        record = scope.log_records.add()
        record.time_unix_nano = START + rng.randrange(10**9)
        record.body.string_value = f"line {rng.randrange(1000)}"
        if trace_id:
            record.trace_id = trace_id.to_bytes(16, "big")
            record.span_id = b"\7" * 8
        _put(record.attributes, "thread", rng.randrange(9))
    return otlp.decode(Signal.LOGS, request.SerializeToString())


def metrics(points: int, *, seed: int = 0) -> Telemetry:
    """A request with that many gauge points."""
    request = ExportMetricsServiceRequest()
    block = request.resource_metrics.add()
    _put(block.resource.attributes, "service.name", "meter")
    metric = block.scope_metrics.add().metrics.add(name="queue.depth", unit="1")
    for number in range(points):
        point = metric.gauge.data_points.add(
            time_unix_nano=START + (seed * points + number) * 1_000_000, as_double=number / 2
        )
        _put(point.attributes, "queue", f"q{number % 3}")
    return otlp.decode(Signal.METRICS, request.SerializeToString())


def _put(attributes: object, key: str, value: object) -> None:
    pair = KeyValue(key=key)
    match value:
        case bool():
            pair.value.bool_value = value
        case int():
            pair.value.int_value = value
        case float():
            pair.value.double_value = value
        case str():
            pair.value.string_value = value
        case list():
            for item in value:
                pair.value.array_value.values.add(string_value=item)
    attributes.append(pair)  # type: ignore[attr-defined]


def send(store: DuckDBStore, *requests: Telemetry) -> None:
    """Submit and wait until all is durable and visible."""
    waiting = [store.submit(request, START) for request in requests]
    for future in waiting:
        future.result(timeout=20)


def opened(
    path: Path,
    clock: Clock | None = None,
    at: Callable[[str], None] = lambda step: None,
    **settings: Any,
) -> DuckDBStore:
    """A store, loaded."""
    store = DuckDBStore.open(StoreSettings(path, **settings), clock or ManualClock(START), at=at)
    store.load()
    return store


Row: TypeAlias = dict[str, object]


def contents(store: DuckDBStore, trace_ids: Iterable[int]) -> dict[int, list[Row]]:
    """Every stored span of these traces with its events, links, resource and scope, sorted.

    Read with this test's own few lines, so that the reader cannot hide what the engine did;
    an equal span that is stored twice is there twice.
    """
    wanted = set(trace_ids)
    found: dict[int, list[Row]] = {}
    with store.lease() as lease:
        sources = [lease.snapshot.hot]
        sources += [
            stored_tables(lease, segment) for segment in lease.snapshot.segments_of("spans")
        ]
        for tables in sources:
            by_row = {
                name: _grouped(_plain_rows(tables[name])) for name in ("span_events", "span_links")
            }
            resources = {r["resource_id"]: r for r in _plain_rows(tables["resources"])}
            scopes = {r["scope_id"]: r for r in _plain_rows(tables["scopes"])}
            for row in _plain_rows(tables["spans"]):
                trace_id = join_trace_id(row["trace_hi"], row["trace_lo"])
                if trace_id in wanted:
                    row |= {name: rows.get(row["row_id"], []) for name, rows in by_row.items()}
                    row["resource"] = resources[row["resource_id"]]
                    row["scope"] = scopes[row["scope_id"]]
                    found.setdefault(trace_id, []).append(row)
    return {t: sorted(rows, key=lambda r: str(r["row_id"])) for t, rows in sorted(found.items())}


def stored_tables(lease: HeldLease, segment: Segment) -> dict[str, pa.Table]:
    """The canonical tables of one segment."""
    tables = {}
    cursor = lease.cursor()
    for name in TABLES_OF_KIND[segment.kind]:
        place = ", rowid" if name == "spans" and segment.has_distances else ""
        table = arrow_table(cursor, f"SELECT *{place} FROM {segment.alias}.{name}")
        if place:
            table = _with_parents(table)
        own = [c for c in segment.attribute_columns if c.table_name == name]
        tables[name] = restored(table, own) if own else table
    return tables


def _with_parents(table: pa.Table) -> pa.Table:
    """Spans of a file, which say how many rows away their parents are, with the parents' ids."""
    names = ("rowid", "span_id", "parent_distance", "parent_elsewhere")
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    ids = {place: span_id for place, span_id, *_ in rows}
    parents = [ids[row + far] if far else elsewhere for row, _, far, elsewhere in rows]
    at = table.schema.get_field_index("parent_distance")
    table = table.set_column(at, "parent_span_id", pa.array(parents, pa.uint64()))
    return table.drop_columns(["rowid", "parent_elsewhere"])


def _plain_rows(table: pa.Table) -> list[Any]:
    """Rows as dictionaries with their attributes as one sorted list."""
    rows: list[Any] = table.to_pylist()
    for row in rows:
        pairs: list[tuple[str, str, object]] = []
        for kind in ATTRIBUTE_TYPES:
            keys, values = row.pop(f"attr_{kind}_keys"), row.pop(f"attr_{kind}_vals")
            pairs += [(kind, k, v) for k, v in zip(keys or [], values or [], strict=True)]
        row["attributes"] = sorted(pairs)
    return rows


def _grouped(rows: list[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for row in rows:
        groups.setdefault(row["row_id"], []).append(row)
    return groups


def row_counts(store: DuckDBStore) -> dict[str, int]:
    """Records by signal, as stored: a span that stands twice counts twice."""
    return {signal.value: n for signal, n in store.status().record_counts.items()}


class Photographer:
    """Copies a data directory at the steps of a seal or merge: each copy is what a kill -9
    at that moment leaves (all that was fsynced by then is in the files)."""

    def __init__(self, album: Path) -> None:
        self.album = album
        self.source: Path | None = None
        self.pictures: dict[str, Path] = {}

    def __call__(self, step: str) -> None:
        if self.source is None:
            return
        name = f"{len(self.pictures)}-{step.replace(' ', '-')}"
        self.pictures[name] = self.album / name
        shutil.copytree(self.source, self.album / name)
