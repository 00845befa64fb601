"""Connections to an OTLP endpoint: gRPC on raw bytes, and a plain HTTP/1.1 client.

Both are thin on purpose: what a client spends, the server on the same machine does not get.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any, Protocol

from longpole.cli.loadgen.plan import Plan
from longpole.cli.partial_success import partial_success
from longpole.model.signals import Signal

METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_TIMEOUT_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 10.0
_GZIP_LEVEL = 1
_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request. `retry_seconds` is None for one that is not to be sent
    again; `reason` is empty for success. Without an answer nobody knows whether it was kept."""

    is_success: bool
    rejected: int = 0
    retry_seconds: float | None = None
    reason: str = ""
    is_answered: bool = True


class Sender(Protocol):
    """One connection."""

    async def send(self, body: bytes) -> Answer:
        """Send one request and wait for its answer. Never raises for what a network or a
        server does."""
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...


def sender(plan: Plan) -> Sender:
    """A connection as the plan says; it is made when the first request goes."""
    return GrpcSender(plan) if plan.protocol == "grpc" else HttpSender(plan)


class GrpcSender:
    """One channel with a connection of its own."""

    def __init__(self, plan: Plan) -> None:
        import grpc

        self._signal = plan.signal
        compression = grpc.Compression.Gzip if plan.compression == "gzip" else None
        self._channel = grpc.aio.insecure_channel(
            plan.endpoint,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_send_message_length", _MOST_BYTES),
            ],
            compression=compression,
        )
        self._export = self._channel.unary_unary(METHODS[plan.signal])
        token = plan.token
        self._metadata = (("authorization", f"Bearer {token.reveal()}"),) if token else None

    async def send(self, body: bytes) -> Answer:
        """See `Sender`."""
        import grpc

        try:
            answer = await self._export(body, timeout=_TIMEOUT_SECONDS, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return _grpc_failure(error)
        return _success(self._signal, bytes(answer))

    async def close(self) -> None:
        """See `Sender`."""
        await self._channel.close()


def _grpc_failure(error: Any) -> Answer:
    import grpc
    from google.rpc.error_details_pb2 import RetryInfo

    code = error.code()
    delay = None
    for key, value in error.trailing_metadata() or ():
        if key == "google.rpc.retryinfo-bin":
            told = RetryInfo.FromString(value).retry_delay
            delay = told.seconds + told.nanos / 1e9
    is_retryable = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED) or (
        code is grpc.StatusCode.RESOURCE_EXHAUSTED and delay is not None
    )
    # A refusal of Longpole comes with details; a broken connection does not.
    is_answered = code is not grpc.StatusCode.DEADLINE_EXCEEDED and (
        code is not grpc.StatusCode.UNAVAILABLE or delay is not None
    )
    retry = min(delay or _RETRY_SECONDS, _LONGEST_RETRY_SECONDS) if is_retryable else None
    return Answer(False, 0, retry, f"{code.name}: {error.details()}"[:200], is_answered)


def _success(signal: Signal, body: bytes) -> Answer:
    if not body:
        return Answer(True)
    rejected, message = partial_success(signal, body)
    return Answer(True, rejected, None, message if rejected else "")


class HttpSender:
    """One HTTP/1.1 connection, kept open."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._host, _, port = plan.endpoint.rpartition(":")
        self._port = int(port)
        self._is_json = plan.protocol == "http/json"
        kind = "application/json" if self._is_json else "application/x-protobuf"
        lines = [
            f"POST /v1/{plan.signal.value} HTTP/1.1", f"Host: {plan.endpoint}",
            f"Content-Type: {kind}", "User-Agent: longpole-loadgen",
        ]  # fmt: skip
        if plan.compression == "gzip":
            lines.append("Content-Encoding: gzip")
        if plan.token is not None:
            lines.append(f"Authorization: Bearer {plan.token.reveal()}")
        self._head = "\r\n".join(lines) + "\r\nContent-Length: "
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, body: bytes) -> Answer:
        """See `Sender`."""
        if self._plan.compression == "gzip":
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._exchange(body)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            await self.close()
            reason = str(error) or type(error).__name__
            return Answer(False, 0, _RETRY_SECONDS, reason[:200], is_answered=False)

    async def _exchange(self, body: bytes) -> Answer:
        if self._streams is None:
            host = self._host.removeprefix("[").removesuffix("]")
            self._streams = await asyncio.open_connection(host, self._port)
        reader, writer = self._streams
        writer.write(f"{self._head}{len(body)}\r\n\r\n".encode("latin-1"))
        writer.write(body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.split("\r\n")
        status = int(status_line.split()[1])
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        answer = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.close()
        if status == 200:
            return self._success(answer)
        if status in (429, 502, 503, 504):
            wait = headers.get("retry-after", "")
            delay = float(wait) if wait.isdigit() else _RETRY_SECONDS
            return Answer(False, 0, min(delay, _LONGEST_RETRY_SECONDS), f"HTTP {status}")
        return Answer(False, 0, None, f"HTTP {status}: {answer[:150]!r}")

    def _success(self, body: bytes) -> Answer:
        if not self._is_json:
            return _success(self._plan.signal, body)
        partial = json.loads(body or b"{}").get("partialSuccess") or {}
        rejected = next((int(n) for key, n in partial.items() if key.startswith("rejected")), 0)
        return Answer(True, rejected, None, str(partial.get("errorMessage", "")))

    async def close(self) -> None:
        """See `Sender`."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
