"""Telemetry: traces, metrics and logs of one process, sent by OTLP, and the instrumentations.

Clients trace themselves (`caller`, `grpc_calls`, `database`, the messaging modules); here are the
servers. Without an OTLP endpoint everything works, and nothing is sent.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.grpc import GrpcInstrumentorServer
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shop.chassis.json_logs import log_to_stdout
from shop.chassis.settings import Settings
from shop.chassis.skew import ClockSkew, SkewedLogs, SkewedSpans
from shop.chassis.span_manners import SpanManners as SpanManners

FLUSH_SECONDS = 3.0
UNTRACED_PATHS = "/healthz$,/readyz$,/openapi.json$,/docs$"


@dataclass(slots=True)
class Telemetry:
    """The providers of this process; global as well, once `start_telemetry` made them."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    logger_provider: LoggerProvider
    skew: ClockSkew
    log_handlers: list[logging.Handler] = field(default_factory=list)

    def watch(self, app: FastAPI) -> None:
        """Trace the requests of an app, save those for its health and its contract."""
        FastAPIInstrumentor.instrument_app(
            app,
            excluded_urls=UNTRACED_PATHS,
            exclude_spans=["receive", "send"],
            server_request_hook=_address_apart,
        )

    def shutdown(self) -> None:
        """Send what is left, stop. The loggers of the process lose their handlers. A collector
        that is away delays the end by no more than `FLUSH_SECONDS`."""
        for handler in self.log_handlers:
            logging.getLogger().removeHandler(handler)
        ends = [
            threading.Thread(target=provider.shutdown, daemon=True)
            for provider in (self.tracer_provider, self.logger_provider, self.meter_provider)
        ]
        for end in ends:
            end.start()
        deadline = time.monotonic() + FLUSH_SECONDS
        for end in ends:
            end.join(max(0.0, deadline - time.monotonic()))


def start_telemetry(settings: Settings) -> Telemetry:
    """Make the providers of this process, make them global, load the instrumentations and log
    JSON to stdout. Once per process: providers can't be replaced. Without an OTLP endpoint
    everything works and nothing is sent."""
    # Read by the instrumentations as they load, and only from the environment.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    resource = resource_of(settings)
    skew = ClockSkew()
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    logs.add_log_record_processor(SkewedLogs(skew))
    readers = []
    if settings.otlp_endpoint:
        endpoint: dict[str, Any] = {
            "endpoint": settings.otlp_endpoint,
            "insecure": not settings.otlp_endpoint.startswith("https:"),
            "headers": settings.otlp_headers or None,
        }
        spans = BatchSpanProcessor(
            OTLPSpanExporter(**endpoint), schedule_delay_millis=settings.span_delay_ms
        )
        traces.add_span_processor(SpanManners(SkewedSpans(spans, skew)))
        logs.add_log_record_processor(
            BatchLogRecordProcessor(
                OTLPLogExporter(**endpoint), schedule_delay_millis=settings.log_delay_ms
            )
        )
        readers.append(
            PeriodicExportingMetricReader(
                OTLPMetricExporter(**endpoint), export_interval_millis=settings.metric_interval_ms
            )
        )
    meters = MeterProvider(metric_readers=readers, resource=resource, shutdown_on_exit=False)
    trace.set_tracer_provider(traces)
    metrics.set_meter_provider(meters)
    set_logger_provider(logs)

    GrpcInstrumentorServer().instrument()  # type: ignore[no-untyped-call]
    handlers: list[logging.Handler] = [
        log_to_stdout(settings.service_name, settings.instance_id, settings.log_level)
    ]
    sender = LoggingHandler(level=logging.NOTSET, logger_provider=logs)
    logging.getLogger().addHandler(sender)
    handlers.append(sender)
    return Telemetry(traces, meters, logs, skew, handlers)


def _address_apart(span: trace.Span, scope: Mapping[str, Any]) -> None:
    """The package writes host:port as the address of the server; the port has its own name."""
    host, port = scope.get("server") or ("", None)
    if host:
        span.set_attribute("server.address", host)
    if port:
        span.set_attribute("server.port", port)


def resource_of(settings: Settings) -> Resource:
    """What every signal of this process says about its origin."""
    return Resource.create(
        {
            **settings.resource_pairs,
            "service.name": settings.service_name,
            "service.namespace": "shop",
            "service.version": settings.version,
            "service.instance.id": settings.instance_id,
            "host.name": settings.host_name,
            "deployment.environment.name": settings.environment,
        }
    )
