"""The server side of gRPC calls: their duration, and what went wrong on their span.

span (instrumentation) ▶ ServerCalls ▶ servicer
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Status, StatusCode

from shop.chassis.durations import seconds_histogram

# What is the server's fault; the other codes are its answers, and its span is in order.
SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


class ServerCalls(grpc.ServerInterceptor):  # type: ignore[misc]
    """Records `rpc.server.call.duration` for every unary call, and writes `error.type` and the
    words of the error on the span around it. Methods that the server lacks are not seen."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = metrics.get_meter("shop.calls", meter_provider=meter_provider)
        self._durations = seconds_histogram(
            meter, "rpc.server.call.duration", "How long it took to answer a call"
        )

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """As gRPC asks: the handler of the call, with the measuring around it."""
        handler = continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = details.method.lstrip("/")

        def answer(request: Any, context: Any) -> Any:
            begun = time.perf_counter()
            status, words = grpc.StatusCode.OK, ""
            try:
                reply = handler.unary_unary(request, context)
                status = context.code() or grpc.StatusCode.OK
            except Exception as error:
                # gRPC ends an abort by raising too; then there is a code already.
                status = context.code() or grpc.StatusCode.UNKNOWN
                words = str(error)
                raise
            finally:
                self._ended(method, status, _words_of(context) or words, begun)
            return reply

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _ended(self, method: str, status: Any, words: str, begun: float) -> None:
        labels = {
            "rpc.system.name": "grpc",
            "rpc.method": method,
            "rpc.response.status_code": status.name,
        }
        if status in SERVER_ERRORS:
            labels["error.type"] = status.name
            span = trace.get_current_span()
            span.set_attribute("error.type", status.name)
            # An exception that nobody foresaw is status 0 to the instrumentation.
            span.set_attribute("rpc.grpc.status_code", status.value[0])
            span.set_status(Status(StatusCode.ERROR, words))
        self._durations.record(time.perf_counter() - begun, labels)


def _words_of(context: Any) -> str:
    words = context.details() or ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
