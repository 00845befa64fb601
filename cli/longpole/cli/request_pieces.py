"""Cuts telemetry into OTLP requests that any receiver accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from longpole.formats import otlp
from longpole.model.signals import Signal
from longpole.model.telemetry import RECORD_TABLE, Telemetry

MOST_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Piece:
    """One request body and how many records it holds."""

    signal: Signal
    body: bytes
    records: int


def pieces(telemetry: Telemetry, most_bytes: int = MOST_BYTES) -> Iterator[Piece]:
    """Requests under `most_bytes` each, together every record once, in order.

    A single record larger than that makes a larger request: it cannot be cut.
    """
    if not telemetry.accepted:
        return
    if len(telemetry.body) < most_bytes or telemetry.accepted == 1:
        yield Piece(telemetry.signal, telemetry.body, telemetry.accepted)
        return
    middle = telemetry.accepted // 2
    for start, length in ((0, middle), (middle, telemetry.accepted - middle)):
        yield from pieces(_rows(telemetry, start, length), most_bytes)


def _rows(telemetry: Telemetry, start: int, length: int) -> Telemetry:
    """Some records with what hangs on them; resources, scopes and series are small and stay."""
    tables = dict(telemetry.tables)
    record_table = RECORD_TABLE[telemetry.signal]
    chosen: pa.Table = tables[record_table].slice(start, length)
    tables[record_table] = chosen
    for name in ("span_events", "span_links"):
        if name in tables:
            kept = pc.is_in(tables[name].column("row_id"), chosen.column("row_id"))
            tables[name] = tables[name].filter(kept)
    body = otlp.encode(telemetry.signal, tables)
    return Telemetry(telemetry.signal, tables, body, has_time=telemetry.has_time)
