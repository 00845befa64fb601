"""OTLP over HTTP/1.1: paths, methods, media types and encodings, as one ASGI application."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from longpole.collector import refusals
from longpole.collector.admission import Lease
from longpole.collector.answers import clamped_retry, status
from longpole.collector.bearer import check_bearer
from longpole.collector.decompression import ACCEPTED, encoding_of
from longpole.collector.intake_desk import IntakeDesk, Parcel
from longpole.collector.refusals import Refused
from longpole.model.signals import Signal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATHS: Mapping[str, Signal] = {
    "/v1/traces": Signal.TRACES,
    "/v1/logs": Signal.LOGS,
    "/v1/metrics": Signal.METRICS,
}
_TRANSPORT = "http"
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_COMPRESS_FROM_BYTES = 1024
_BIG_BYTES = 1 << 20
_COLLECTOR_HINT = (
    "this port takes OTLP; put an OpenTelemetry Collector with the `{0}` receiver in front, "
    "and its otlp exporter will send here"
)
# What people and SDKs post by mistake, and what to do instead.
_HINTS: Mapping[str, str] = {
    "/": "an endpoint set for one signal is used as it is: add /v1/traces, /v1/logs or "
    "/v1/metrics to it, or set OTEL_EXPORTER_OTLP_ENDPOINT, to which exporters add the path",
    "/v1/trace": "did you mean /v1/traces?",
    "/v1/log": "did you mean /v1/logs?",
    "/v1/metric": "did you mean /v1/metrics?",
    "/api/v2/spans": _COLLECTOR_HINT.format("zipkin"),
    "/api/v1/spans": _COLLECTOR_HINT.format("zipkin"),
    "/api/traces": _COLLECTOR_HINT.format("jaeger"),
}


class Departed(Exception):
    """The client hung up before its body was complete; there is nobody to answer."""


class OtlpHttp:
    """The application. Lives on one event loop."""

    def __init__(self, desk: IntakeDesk) -> None:
        self._desk = desk
        self._settings = desk.settings
        # Set from another thread when the server drains; answers then end their connection.
        self.is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        media_type = _media_type(headers)
        is_json = media_type != _PROTOBUF
        signal = PATHS.get(scope["path"])
        extra = self._cors(headers)
        counted = False
        lease = self._desk.lease()
        try:
            if scope["method"] == "OPTIONS" and signal and extra:
                await _send(send, 204, b"", _preflight(extra))
                return
            parcel_of = self._admit(scope["path"], scope["method"], signal, media_type, headers)
            body = await self._read(headers, receive, lease)
            counted = True
            answer = await self._desk.take(parcel_of(body), lease)
            await self._succeed(send, answer, is_json, headers, extra)
        except Refused as refused:
            lease.release()
            self._desk.refuse(refused, _TRANSPORT, signal, counted)
            await self._refuse(send, refused, is_json, extra)
        except Departed:
            lease.release()
            label = signal.value if signal else "none"
            self._desk.metrics.requests.labels(_TRANSPORT, label, "abandoned").inc()
        except BaseException:
            if not counted:
                lease.release()
            raise

    def _admit(
        self,
        path: str,
        method: str,
        signal: Signal | None,
        media_type: str,
        headers: Mapping[bytes, bytes],
    ) -> Callable[[bytes], Parcel]:
        """Everything that can be refused before the body is read, in the order in which a
        person would want to hear of it."""
        if signal is None:
            raise Refused(refusals.UNKNOWN_PATH, _path_hint(path))
        if method != "POST":
            raise Refused(refusals.WRONG_METHOD)
        check_bearer(self._settings.token, headers.get(b"authorization"))
        if media_type not in (_PROTOBUF, _JSON):
            given = f"Content-Type {media_type[:100]!r} is not taken" if media_type else ""
            raise Refused(refusals.UNSUPPORTED_TYPE, given or "there is no Content-Type")
        encoding = encoding_of(headers.get(b"content-encoding", b"").decode("latin-1"))

        def parcel_of(body: bytes) -> Parcel:
            return Parcel(_TRANSPORT, signal, body, media_type == _JSON, encoding)

        return parcel_of

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive, lease: Lease) -> bytes:
        """The body, at most as large as the limit and not slower than the deadline. A
        declared length is only ever compared; room is taken for bytes that came."""
        limit = self._settings.max_request_bytes
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > limit:
            raise Refused(refusals.TOO_LARGE, f"{int(declared[:20])} bytes, the limit is {limit}")
        whole = min(int(declared[:20]), limit) if declared.isdigit() else limit
        pieces: list[bytes] = []
        size = reserved = 0
        try:
            async with asyncio.timeout(self._settings.body_timeout_seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise Departed
                    piece: bytes = message.get("body", b"")
                    size += len(piece)
                    if size > limit:
                        raise Refused(refusals.TOO_LARGE, f"the limit is {limit} bytes")
                    if size > reserved:
                        # Big bodies that each grow bit by bit would all stop half-way, so
                        # one that turns out to be big takes all it may need at once.
                        wanted = size if size <= _BIG_BYTES else whole
                        await lease.grow(max(wanted, size) - reserved)
                        reserved = max(wanted, size)
                    pieces.append(piece)
                    if not message.get("more_body"):
                        break
        except TimeoutError:
            raise Refused(refusals.SLOW_BODY) from None
        lease.shrink(reserved - size)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _succeed(
        self,
        send: Send,
        answer: bytes,
        is_json: bool,
        headers: Mapping[bytes, bytes],
        extra: list[tuple[bytes, bytes]],
    ) -> None:
        fields = self._fields(is_json, extra)
        accepts = headers.get(b"accept-encoding", b"").lower()
        if len(answer) >= _COMPRESS_FROM_BYTES and b"gzip" in accepts:
            answer = gzip.compress(answer, 1)
            fields += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        await _send(send, 200, answer, fields)

    async def _refuse(
        self, send: Send, refused: Refused, is_json: bool, extra: list[tuple[bytes, bytes]]
    ) -> None:
        refusal = refused.refusal
        if refusal.is_retryable and refused.retry_after_seconds is None:
            refused.retry_after_seconds = self._settings.retry_after_seconds
        fields = self._fields(is_json, extra)
        if refusal.is_retryable and refused.retry_after_seconds:
            delay = clamped_retry(refused.retry_after_seconds)
            fields.append((b"retry-after", str(delay).encode()))
        if refusal is refusals.WRONG_METHOD:
            fields.append((b"allow", b"POST"))
        if refusal is refusals.UNAUTHENTICATED:
            fields.append((b"www-authenticate", b'Bearer realm="longpole"'))
        if refusal is refusals.UNSUPPORTED_COMPRESSION:
            fields.append((b"accept-encoding", ACCEPTED.encode()))
        if refusal is refusals.SLOW_BODY and not self.is_draining:
            fields.append((b"connection", b"close"))
        await _send(send, refusal.http_status, status(refused, is_json), fields)

    def _fields(self, is_json: bool, extra: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        fields = [(b"content-type", (_JSON if is_json else _PROTOBUF).encode()), *extra]
        return [*fields, (b"connection", b"close")] if self.is_draining else fields

    def _cors(self, headers: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Headers for a page of a configured origin, compared exactly; nothing for others."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and origin in self._settings.cors_origins:
            return [(b"access-control-allow-origin", origin.encode()), (b"vary", b"Origin")]
        return []


def _media_type(headers: Mapping[bytes, bytes]) -> str:
    value = headers.get(b"content-type", b"").decode("latin-1")
    return value.partition(";")[0].strip().lower()


def _path_hint(path: str) -> str:
    right = ", ".join(PATHS)
    hint = _HINTS.get(path)
    if hint is None and path.rstrip("/") in PATHS:
        hint = f"leave out the slash behind {path.rstrip('/')}"
    # The path itself is not repeated: it may be anything, and the sender knows it.
    return f"POST to one of {right}" + (f"; {hint}" if hint else "")


def _preflight(extra: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        *extra,
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"Content-Type, Content-Encoding, Authorization"),
        (b"access-control-max-age", b"7200"),
    ]


async def _send(send: Send, code: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    fields = [*headers, (b"x-content-type-options", b"nosniff")]
    if code != 204:
        fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": code, "headers": fields})
    await send({"type": "http.response.body", "body": body})
