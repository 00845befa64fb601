"""What an export answer says of records that were not taken."""

from __future__ import annotations

from longpole.model.signals import Signal


def partial_success(signal: Signal, body: bytes) -> tuple[int, str]:
    """How many records the answer says were rejected, and why."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceResponse,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceResponse,
    )

    if signal is Signal.TRACES:
        spans = ExportTraceServiceResponse.FromString(body).partial_success
        return spans.rejected_spans, spans.error_message
    if signal is Signal.LOGS:
        logs = ExportLogsServiceResponse.FromString(body).partial_success
        return logs.rejected_log_records, logs.error_message
    points = ExportMetricsServiceResponse.FromString(body).partial_success
    return points.rejected_data_points, points.error_message
