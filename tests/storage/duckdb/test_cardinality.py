"""F-CARD: keys, names and values without end, as a client makes them that puts ids into keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats import otlp
from longpole.model.query import TraceQuery
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry
from longpole.storage.duckdb import catalog
from longpole.storage.duckdb.typed_columns import MAX_COLUMNS
from tests.storage.duckdb.damage import segment_files
from tests.storage.duckdb.traffic import START, opened, row_counts, send


def exploding(number: int, spans: int, keys: int) -> Telemetry:
    """Each span has its own name, service-wide keys of its own, and its own values."""
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    block.resource.attributes.add(key="service.name").value.string_value = f"pod-{number}"
    scope = block.scope_spans.add()
    for index in range(spans):
        serial = number * spans + index + 1
        span = scope.spans.add(
            trace_id=serial.to_bytes(16, "big"), span_id=serial.to_bytes(8, "big"),
            name=f"GET /order/{serial}", start_time_unix_nano=START + serial,
            end_time_unix_nano=START + serial + 1000,
        )  # fmt: skip
        for own in range(keys):
            span.attributes.add(key=f"id.{serial}.{own}").value.string_value = f"value {serial}"
    return otlp.decode(Signal.TRACES, request.SerializeToString())


def explode(path: Path, requests: int, spans: int, keys: int) -> None:
    store = opened(path)
    for number in range(requests):
        send(store, exploding(number, spans, keys))
    total = requests * spans
    known = len(store.attribute_keys())
    assert known <= catalog.MAX_KEYS
    store.seal()
    assert row_counts(store)["traces"] == total
    (segment,) = segment_files(path, "spans")
    with store.lease() as lease:
        (sealed,) = lease.snapshot.segments
        assert len(sealed.attribute_columns) <= MAX_COLUMNS
    assert segment.stat().st_size < 4 << 20 or segment.stat().st_size < 400 * total * keys
    # A key that the catalog has no room for is stored and read back all the same.
    last = store.trace(total)
    assert last is not None
    assert len(last.spans[0].attributes) == keys
    assert store.find_traces(TraceQuery(limit=5)).traces.num_rows == 5
    store.close()
    again = opened(path)
    assert len(again.attribute_keys()) == known
    again.close()


def test_keys_without_end_are_bounded_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "MAX_KEYS", 500)
    explode(tmp_path, requests=4, spans=100, keys=3)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_half_a_million_keys_are_bounded_and_nothing_is_lost(tmp_path: Path) -> None:
    explode(tmp_path, requests=100, spans=1_000, keys=5)
