"""OTLP over gRPC: the three Export methods on raw bytes, and the health service."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from loguru import logger

from longpole.collector import binding, refusals
from longpole.collector.answers import retry_info, status
from longpole.collector.bearer import check_bearer
from longpole.collector.intake_desk import IntakeDesk, Parcel
from longpole.collector.refusals import Refused
from longpole.collector.settings import CollectorSettings
from longpole.model.signals import Signal

METHODS: Mapping[str, Signal] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": Signal.TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": Signal.LOGS,
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": Signal.METRICS,
}
_TRANSPORT = "grpc"
# Messages that are being received at one moment. gRPC does not announce a message's size,
# so each may become the largest; until its turn a stream holds one flow-control window.
_MESSAGES_RECEIVED_AT_ONCE = 4


def server_options(settings: CollectorSettings) -> list[tuple[str, int]]:
    """Channel arguments of the server, with the reason for each."""
    return [
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", settings.max_response_bytes),
        # grpcio advertises no limit on its own, which invites stream floods.
        ("grpc.max_concurrent_streams", settings.max_concurrent_streams),
        # Clients of Go and Java ping as often as every 10 s, with or without calls; a GOAWAY
        # with too_many_pings would cost them data.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),
        # Half-open connections end here instead of staying for ever.
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.max_metadata_size", 16 << 10),
        # A second server on the same port must fail, not share it.
        ("grpc.so_reuseport", 0),
    ]


class OtlpGrpc(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers the Export methods. Lives on one event loop.

    The methods are unary; they are registered as client streaming, which looks the same on
    the wire, because then the message is read when this code asks for it: the token is
    checked and room is there before a byte of it takes memory.
    """

    def __init__(self, desk: IntakeDesk) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._receiving = asyncio.Semaphore(_MESSAGES_RECEIVED_AT_ONCE)
        self.is_draining = False

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        signal = METHODS.get(call.method)
        if signal is None:
            return None

        async def export(_: object, context: Any) -> bytes:
            return await self._export(signal, context)

        return grpc.stream_unary_rpc_method_handler(export)

    async def _export(self, signal: Signal, context: Any) -> bytes:
        counted = False
        parcel: Parcel | None = None
        lease = self._desk.lease()
        try:
            metadata = dict(context.invocation_metadata() or ())
            check_bearer(self._settings.token, metadata.get("authorization"))
            if self.is_draining:
                raise Refused(refusals.DRAINING)
            async with self._receiving:
                parcel = Parcel(_TRANSPORT, signal, await self._receive(context))
                await lease.grow(len(parcel.body))
            counted = True
            return await self._desk.take(parcel, lease)
        except Refused as refused:
            # `abort` raises on top of this one and grpcio keeps what it raises for a while;
            # neither may hold the body.
            parcel = None
            refused.__traceback__ = None
            lease.release()
            if refused.refusal.is_retryable and refused.retry_after_seconds is None:
                refused.retry_after_seconds = self._settings.retry_after_seconds
            self._desk.refuse(refused, _TRANSPORT, signal, counted)
            # Nothing was sent yet, so this goes out as Trailers-Only: some clients do not
            # retry on a status that follows headers.
            await context.abort(
                refused.refusal.grpc_status, refused.message[:1024], _trailers(refused)
            )
        except BaseException:
            if not counted:
                lease.release()
            raise
        raise AssertionError("abort always raises")

    async def _receive(self, context: Any) -> bytes:
        """The message of the call. Waiting for it is bounded; without one (the sender
        closed, or the library refused a message over the limit) the call ends."""
        try:
            async with asyncio.timeout(self._settings.body_timeout_seconds):
                # Not from the iterator, which holds on to what it gave out.
                body = await context.read()
                if body is not grpc.aio.EOF:
                    return bytes(body)
        except TimeoutError:
            raise Refused(refusals.SLOW_BODY) from None
        raise Refused(refusals.NO_MESSAGE)


def _trailers(refused: Refused) -> tuple[tuple[str, str | bytes], ...]:
    """Status details where the specification puts them, and RetryInfo also in the older
    place: the Python SDK reads only that one."""
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status(refused, is_json=False))
    ]
    if refused.refusal.is_retryable and refused.retry_after_seconds:
        info = retry_info(refused.retry_after_seconds)
        trailers.append(("google.rpc.retryinfo-bin", info.SerializeToString()))
    return tuple(trailers)


class GrpcListener:
    """The gRPC server on one address; `start` and `drain` run on its event loop."""

    def __init__(self, desk: IntakeDesk) -> None:
        self._settings = desk.settings
        self._export = OtlpGrpc(desk)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(options=server_options(desk.settings))
        self._server.add_generic_rpc_handlers((self._export,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self) -> int:
        """Bind and serve; returns the port. Raises `AddressInUse`,
        `InvalidAddress`."""
        # Asked of a plain socket first: grpcio says that it failed, but not why.
        binding.listen(self._settings.grpc_address, "--otlp-grpc").close()
        try:
            port = int(self._server.add_insecure_port(self._settings.grpc_address))
        except RuntimeError as error:
            address = self._settings.grpc_address
            raise binding.bind_failed(address, "--otlp-grpc", OSError(str(error))) from None
        await self._server.start()
        for service in ("", *(method.split("/")[1] for method in METHODS)):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self, grace_seconds: float) -> None:
        """Say NOT_SERVING and GOAWAY, let calls finish for `grace_seconds`, then stop."""
        self._export.is_draining = True
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)
        logger.debug("the gRPC listener has drained")
