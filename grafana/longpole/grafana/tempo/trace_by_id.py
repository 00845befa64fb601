"""One trace as protobuf: Tempo's `Trace` has the bytes of OTLP's `TracesData`."""

from __future__ import annotations

from typing import Any

import orjson

from longpole.formats import otlp
from longpole.model.ids import parse_short_trace_id
from longpole.model.signals import Signal
from longpole.storage.ports import TraceReader

PROTOBUF = "application/protobuf"
_FIELD_TRACE, _FIELD_METRICS = b"\x0a", b"\x12"


def trace_message(store: TraceReader, text: str) -> bytes:
    """The `Trace` message; empty for an unknown id. Short ids are filled up with zeros, as Tempo
    does. Raises `InvalidId`."""
    tables = store.trace_tables([parse_short_trace_id(text)])
    if not tables["spans"].num_rows:
        return b""
    return otlp.encode(Signal.TRACES, tables)


def v2_message(trace: bytes) -> bytes:
    """`TraceByIDResponse`. Its trace is there even when it is empty: the plugin takes it without
    a look, and would fail on an empty body."""
    return _FIELD_TRACE + _varint(len(trace)) + trace + _FIELD_METRICS + b"\x00"


def trace_json(trace: bytes) -> dict[str, Any]:
    """The same as OTLP/JSON."""
    tables = otlp.decode(Signal.TRACES, trace).tables
    document = orjson.loads(otlp.encode_json(Signal.TRACES, tables)) if trace else {}
    return document if isinstance(document, dict) else {}


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
