"""The bytes of every answer: export responses and google.rpc.Status, as protobuf and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from longpole.collector.refusals import RESPONSE_TOO_LARGE, Refused
from longpole.model.problem import Severity
from longpole.model.signals import Signal
from longpole.model.telemetry import Telemetry

NOUNS: Mapping[Signal, str] = {
    Signal.TRACES: "spans",
    Signal.LOGS: "log records",
    Signal.METRICS: "data points",
}
_RESPONSES: Mapping[Signal, tuple[Any, str, str]] = {
    Signal.TRACES: (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    Signal.LOGS: (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    Signal.METRICS: (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
}
# Room for the tags, lengths, counts and JSON punctuation around a message.
_FRAME_BYTES = 256
# The longest retry delay that goes out: SDK exporters drop a batch rather than wait longer.
_LONGEST_RETRY_SECONDS = 5


def explanation(telemetry: Telemetry) -> str:
    """What a sender should know about a request that was taken; empty when all is well."""
    told = [p for p in telemetry.problems if p.severity != Severity.INFO]
    if not telemetry.rejected and not told:
        return ""
    parts = [f"{problem.message} (x{problem.count})" for problem in told]
    if telemetry.rejected:
        total = telemetry.rejected + telemetry.accepted
        noun = NOUNS[telemetry.signal]
        parts.insert(0, f"{telemetry.rejected} of {total} {noun} were rejected.")
    return " ".join(parts)


def export_response(
    signal: Signal, is_json: bool, rejected: int, message: str, max_bytes: int
) -> bytes:
    """The success answer. Full success leaves partial_success unset: 0 bytes, or `{}`.

    A message that does not fit `max_bytes` is cut; raises `Refused` when even that does
    not help.
    """
    if not rejected and not message:
        return b"{}" if is_json else b""
    # JSON may write one byte as six (\\u0000); cutting for the worst case keeps it simple.
    room = max(0, (max_bytes - _FRAME_BYTES) // (6 if is_json else 1))
    raw = message.encode("utf-8", "replace")
    if len(raw) > room:
        raw = raw[:room].decode("utf-8", "ignore").encode()
    text = raw.decode("utf-8")
    kind, field, json_field = _RESPONSES[signal]
    if is_json:
        partial: dict[str, str] = {json_field: str(rejected)} if rejected else {}
        answer = _json({"partialSuccess": partial | ({"errorMessage": text} if text else {})})
    else:
        response = kind()
        setattr(response.partial_success, field, rejected)
        response.partial_success.error_message = text
        answer = response.SerializeToString()
    if len(answer) > max_bytes:
        raise Refused(RESPONSE_TOO_LARGE)
    return bytes(answer)


def status(refused: Refused, is_json: bool) -> bytes:
    """A google.rpc.Status that tells a developer what to do, with BadRequest or RetryInfo."""
    message = refused.message.encode("utf-8", "replace").decode()[:4096]
    code = refused.refusal.grpc_status.value[0]
    is_bad_request = refused.refusal.http_status == 400
    retry_after = refused.retry_after_seconds if refused.refusal.is_retryable else None
    if is_json:
        details: list[dict[str, object]] = []
        if is_bad_request:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "body", "description": message}],
                }
            )
        if retry_after:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": f"{clamped_retry(retry_after)}s",
                }
            )
        body: dict[str, object] = {"code": code, "message": message}
        return _json(body | ({"details": details} if details else {}))
    answer = status_pb2.Status(code=code, message=message)
    if is_bad_request:
        violation = error_details_pb2.BadRequest.FieldViolation(field="body", description=message)
        answer.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if retry_after:
        answer.details.add().Pack(retry_info(retry_after))
    return bytes(answer.SerializeToString())


def retry_info(seconds: int) -> Any:
    """google.rpc.RetryInfo with a delay that exporters honour."""
    info = error_details_pb2.RetryInfo()
    info.retry_delay.seconds = clamped_retry(seconds)
    return info


def clamped_retry(seconds: int) -> int:
    """Between one second and the longest delay that exporters wait for."""
    return max(1, min(seconds, _LONGEST_RETRY_SECONDS))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
