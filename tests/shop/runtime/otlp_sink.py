"""A place where OTLP ends: what processes sent over gRPC, kept in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


@dataclass(frozen=True)
class SentSpan:
    """One span; ids are hex, `resource` and `attributes` plain dicts."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    is_error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]
    links: int = 0

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])


@dataclass(frozen=True)
class SentLog:
    """One log record."""

    body: str
    trace_id: str
    time: int
    resource: dict[str, Any]


@dataclass
class OtlpSink:
    """A server on a free port; `with` it."""

    spans: list[SentSpan] = field(default_factory=list)
    logs: list[SentLog] = field(default_factory=list)
    metrics: set[tuple[str, str]] = field(default_factory=set)
    endpoint: str = ""

    def __enter__(self) -> OtlpSink:
        self._heard = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(4))
        sink = self

        class Traces(trace_service_pb2_grpc.TraceServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                sink._take_spans(request)
                return trace_service_pb2.ExportTraceServiceResponse()

        class Logs(logs_service_pb2_grpc.LogsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                sink._take_logs(request)
                return logs_service_pb2.ExportLogsServiceResponse()

        class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
            def Export(self, request: Any, context: Any) -> Any:
                sink._take_metrics(request)
                return metrics_service_pb2.ExportMetricsServiceResponse()

        # The generated code has no types.
        for service, add in (
            (Traces(), trace_service_pb2_grpc.add_TraceServiceServicer_to_server),
            (Logs(), logs_service_pb2_grpc.add_LogsServiceServicer_to_server),
            (Metrics(), metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server),
        ):
            add(service, self._server)  # type: ignore[no-untyped-call]
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()

    def wait(self, is_enough: Callable[[OtlpSink], bool], seconds: float = 20.0) -> None:
        """Until that holds; fails with what there is."""
        deadline = time.monotonic() + seconds
        with self._heard:
            while not is_enough(self):
                left = deadline - time.monotonic()
                names = sorted({f"{span.service} {span.name}" for span in self.spans})
                assert left > 0, f"not enough: {names}"
                self._heard.wait(left)

    def _take_spans(self, request: Any) -> None:
        with self._heard:
            for group in request.resource_spans:
                resource = _plain(group.resource.attributes)
                for scope in group.scope_spans:
                    self.spans.extend(
                        SentSpan(
                            name=span.name,
                            kind=KINDS[span.kind],
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            start=span.start_time_unix_nano,
                            end=span.end_time_unix_nano,
                            is_error=span.status.code == 2,
                            attributes=_plain(span.attributes),
                            resource=resource,
                            links=len(span.links),
                        )
                        for span in scope.spans
                    )
            self._heard.notify_all()

    def _take_logs(self, request: Any) -> None:
        with self._heard:
            for group in request.resource_logs:
                resource = _plain(group.resource.attributes)
                for scope in group.scope_logs:
                    self.logs.extend(
                        SentLog(
                            body=record.body.string_value,
                            trace_id=record.trace_id.hex(),
                            time=record.time_unix_nano,
                            resource=resource,
                        )
                        for record in scope.log_records
                    )
            self._heard.notify_all()

    def _take_metrics(self, request: Any) -> None:
        with self._heard:
            for group in request.resource_metrics:
                service = str(_plain(group.resource.attributes)["service.name"])
                for scope in group.scope_metrics:
                    self.metrics.update((service, metric.name) for metric in scope.metrics)
            self._heard.notify_all()


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each) for each in attributes}


def _value(each: KeyValue) -> Any:
    return getattr(each.value, each.value.WhichOneof("value") or "string_value")
