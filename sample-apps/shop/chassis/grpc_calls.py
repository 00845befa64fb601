"""gRPC calls: the guarded client of a dependency, and how errors travel as status and trailers.

An error keeps its class over the wire: the trailer `shop-error-code` says it, the status code says
roughly the same to others.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from opentelemetry import metrics, propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from shop.chassis import errors
from shop.chassis.durations import seconds_histogram
from shop.chassis.errors import DependencyError, DependencyUnavailable, RateLimited, ShopError
from shop.chassis.guard import Attempt, Guard
from shop.chassis.ports import Discovery, PolicySource
from shop.chassis.problem import BY_CODE, error_of

R = TypeVar("R", bound=Message)

_STATUS_OF: dict[type[ShopError], Any] = {
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.PaymentDeclined: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unauthorized: grpc.StatusCode.UNAUTHENTICATED,
    errors.RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DependencyUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.CircuitOpen: grpc.StatusCode.UNAVAILABLE,
    errors.BulkheadFull: grpc.StatusCode.UNAVAILABLE,
    errors.DependencyTimeout: grpc.StatusCode.DEADLINE_EXCEEDED,
}
# What a status means that came without our trailer: from the library itself, or another server.
_KIND_OF: dict[Any, type[ShopError]] = {
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: errors.Invalid,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.ALREADY_EXISTS: errors.Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Conflict,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthorized,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.RateLimited,
    grpc.StatusCode.UNAVAILABLE: errors.DependencyUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DependencyTimeout,
}
_CODE = "shop-error-code"
_DEPENDENCY = "shop-error-dependency"
_RETRYABLE = "shop-error-retryable"
_RETRY_AFTER = "shop-retry-after-seconds"
IDEMPOTENCY_KEY = "idempotency-key"

# How the library begins its words when no byte of a request has left; a connection that broke
# later reads otherwise.
_NOT_CONNECTED = "failed to connect to all addresses"

# A server that comes back is found within a second; retries are the guard's business alone.
_CHANNEL_OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also what a handshake may take: less, and a busy machine looks like a dead one.
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Otherwise channels with equal options share their connections, and a dead one with them.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcCaller:
    """Calls the unary methods of one dependency. Holds a channel per instance; `close` ends them.

    `caller.call("shop.payment.v1.PaymentService/Charge", request, ChargeReply,
    idempotency_key=key)`
    """

    def __init__(
        self,
        dependency: str,
        policy: PolicySource,
        discovery: Discovery,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self.guard = Guard(
            dependency,
            policy,
            discovery,
            clock=clock,
            sleep=sleep,
            draw=draw,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )
        self._dependency = dependency
        self._lock = threading.Lock()
        self._channels: dict[str, Any] = {}
        self._tracer = trace.get_tracer("shop.calls", tracer_provider=tracer_provider)
        self._durations = seconds_histogram(
            metrics.get_meter("shop.calls", meter_provider=meter_provider),
            "rpc.client.call.duration",
            "How long a call took until its answer was there",
        )

    def call(
        self,
        method: str,
        request: Message,
        answer: type[R],
        *,
        idempotency_key: str = "",
        is_safe: bool = False,
    ) -> R:
        """The answer of `method` ("package.Service/Method"). Retried on `is_retryable` errors if
        it has an idempotency key (sent as metadata of that name) or `is_safe` says that the
        method only reads. Raises the class of `errors` that the server raised, or a
        `DependencyError`."""

        def attempt(one: Attempt) -> R:
            if not one.instance.grpc:
                mute = DependencyUnavailable(self._dependency, f"{one.instance} speaks no gRPC")
                mute.was_never_sent = True
                raise mute
            channel = self._channel(one.instance.grpc)
            ask = channel.unary_unary(
                f"/{method}",
                request_serializer=type(request).SerializeToString,
                response_deserializer=answer.FromString,
            )
            metadata = ((IDEMPOTENCY_KEY, idempotency_key),) if idempotency_key else ()

            def send(carrier: Mapping[str, str]) -> R:
                reply: R = ask(
                    request,
                    timeout=one.timeout_seconds,
                    metadata=(*metadata, *carrier.items()),
                )
                return reply

            try:
                return self._in_a_span(method, one, send)
            except grpc.RpcError as error:
                raise self._error(error) from error

        return self.guard.run(method, attempt, may_repeat=bool(idempotency_key) or is_safe)

    def close(self) -> None:
        """End all channels; the caller is of no use afterwards."""
        with self._lock:
            channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.close()

    def _channel(self, address: str) -> Any:
        with self._lock:
            if address not in self._channels:
                self._channels[address] = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
            return self._channels[address]

    def _in_a_span(self, method: str, one: Attempt, send: Callable[[Mapping[str, str]], R]) -> R:
        """`send`, with the headers that carry the trace, in a CLIENT span and measured. The
        package that instruments gRPC writes names that are deprecated, and an error as many
        lines of its innards: that is why the span is made here."""
        labels = {
            "rpc.system.name": "grpc",
            "rpc.method": method,
            "server.address": self._dependency,
        }
        begun = time.perf_counter()
        status = grpc.StatusCode.OK
        with self._tracer.start_as_current_span(
            method,
            kind=SpanKind.CLIENT,
            attributes={**one.span_attributes, **labels},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
            try:
                # If gRPC is instrumented globally as well, one span for an attempt is enough.
                with suppress_instrumentation():
                    return send(carrier)
            except grpc.RpcError as error:
                status = error.code()
                labels["error.type"] = status.name
                span.set_attribute("error.type", status.name)
                span.set_status(Status(StatusCode.ERROR, error.details() or status.name))
                raise
            finally:
                labels["rpc.response.status_code"] = status.name
                span.set_attribute("rpc.response.status_code", status.name)
                self._durations.record(time.perf_counter() - begun, labels)

    def _error(self, error: Any) -> ShopError:
        trailers = dict(error.trailing_metadata() or ())
        status = error.code()
        kind = BY_CODE.get(trailers.get(_CODE, ""))
        if kind is None:
            kind = _KIND_OF.get(status, errors.DependencyError)
        shop_error = error_of(
            kind,
            error.details() or status.name,
            trailers.get(_DEPENDENCY, self._dependency),
            float(trailers.get(_RETRY_AFTER, "1")),
        )
        if trailers.get(_RETRYABLE) == "false":
            shop_error.is_final = True
        if (
            isinstance(shop_error, DependencyError)
            and _CODE not in trailers
            and status is grpc.StatusCode.UNAVAILABLE
            and (error.details() or "").startswith(_NOT_CONNECTED)
        ):
            shop_error.was_never_sent = True
        return shop_error


def abort_with(context: Any, error: ShopError) -> NoReturn:
    """End the call of a servicer with this error. Always raises."""
    may_help = error.is_retryable and not error.is_final
    trailers = [(_CODE, error.code), (_RETRYABLE, str(may_help).lower())]
    if isinstance(error, DependencyError):
        trailers.append((_DEPENDENCY, error.dependency))
    if isinstance(error, RateLimited):
        trailers.append((_RETRY_AFTER, f"{error.retry_after_seconds:g}"))
    status = _STATUS_OF.get(type(error), grpc.StatusCode.INTERNAL)
    trace.get_current_span().set_attribute("shop.error.code", error.code)
    context.set_trailing_metadata(tuple(trailers))
    context.abort(status, str(error))
    raise AssertionError("abort returned")
