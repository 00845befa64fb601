"""OTLP requests to columns and back: the façade, and the reference decoder.

`decode` is the definition of what a request means; a compiled decoder with the same
signature must agree with it on anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.formats.malformed import MalformedRequest
from longpole.formats.otlp_encode import request_of_tables
from longpole.formats.otlp_json import json_of_request, request_of_json, request_of_tree
from longpole.formats.otlp_logs import LogRows
from longpole.formats.otlp_metrics import MetricRows
from longpole.formats.otlp_spans import SpanRows
from longpole.formats.salvage import mend
from longpole.formats.tally import Tally
from longpole.model.columns import ROWS_PER_REQUEST_BITS
from longpole.model.problem import LongpoleError
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry

__all__ = [
    "Decoder",
    "MalformedRequest",
    "decode",
    "decode_json",
    "decode_json_tree",
    "encode",
    "encode_json",
]

if api_implementation.Type() != "upb":
    # The pure-Python parser recurses on hostile input and is a hundred times slower.
    raise LongpoleError(
        "protobuf runs on its "
        f"{api_implementation.Type()!r} implementation; Longpole needs 'upb'. Unset "
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION and install a binary wheel of protobuf."
    )

Decoder: TypeAlias = Callable[[Signal, bytes], Telemetry]

REQUESTS: Mapping[Signal, Any] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
_ROWS: Mapping[Signal, Any] = {
    Signal.TRACES: SpanRows,
    Signal.LOGS: LogRows,
    Signal.METRICS: MetricRows,
}


def decode(signal: Signal, body: bytes) -> Telemetry:
    """The rows of an OTLP protobuf request. What strict parsing refuses but can be saved
    (bad UTF-8, deep nesting) is saved and counted. Raises `MalformedRequest`."""
    tally = Tally()
    strict: bytes | None = body
    try:
        request = REQUESTS[signal].FromString(body)
    except DecodeError:
        request = REQUESTS[signal].FromString(mend(REQUESTS[signal], body, tally))
        strict = None
    return _telemetry(signal, request, strict, tally)


def decode_json(signal: Signal, body: bytes) -> Telemetry:
    """The rows of an OTLP/JSON request; `body` of the result is protobuf. Raises
    `MalformedRequest`."""
    tally = Tally()
    request = request_of_json(REQUESTS[signal], body, tally)
    return _telemetry(signal, request, None, tally)


def decode_json_tree(signal: Signal, tree: object) -> Telemetry:
    """The same for a request whose JSON is already parsed."""
    tally = Tally()
    return _telemetry(signal, request_of_tree(REQUESTS[signal], tree, tally), None, tally)


def _telemetry(signal: Signal, request: Any, body: bytes | None, tally: Tally) -> Telemetry:
    rows = _ROWS[signal](tally)
    rows.read(request)
    problems = tally.problems()
    if body is None or problems:
        body = request.SerializeToString()
    telemetry = Telemetry(signal, rows.tables(), body, tally.rejected, problems, rows.has_time)
    if telemetry.accepted >> ROWS_PER_REQUEST_BITS:
        raise MalformedRequest(
            f"The request holds {telemetry.accepted} records, more than the "
            f"{(1 << ROWS_PER_REQUEST_BITS) - 1} that one request may; nothing was kept. Lower "
            "the sender's batch size."
        )
    return telemetry


def encode(signal: Signal, tables: Mapping[str, pa.Table]) -> bytes:
    """An OTLP protobuf request of the rows, grouped by resource and scope."""
    return bytes(request_of_tables(signal, tables).SerializeToString())


def encode_json(signal: Signal, tables: Mapping[str, pa.Table]) -> bytes:
    """The same as OTLP/JSON: hex ids, 64-bit integers as strings, lowerCamelCase keys."""
    return json_of_request(request_of_tables(signal, tables))
