"""HTTP/1 on the wire: uvicorn's protocol with deadlines, bounds, and words for lost clients."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from loguru import logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from longpole.collector.http2_hint import Http2Hint

_TLS_HANDSHAKE = 0x16
_MAX_HEADER_BYTES = 64 << 10
# After an early refusal the rest of the body is read and dropped, so that the client sees
# the answer instead of a reset; beyond this the connection ends anyway.
_MAX_DROPPED_BYTES = 128 << 20


class OtlpHttpProtocol(HttpToolsProtocol):
    """One connection. The class attributes are set by the listener."""

    header_timeout_seconds = 10.0
    grpc_hint = "127.0.0.1:4317"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_first_data = True
        self._http2: Http2Hint | None = None
        self._header_bytes = 0
        self._dropped_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_first_data:
            self._is_first_data = False
            if data.startswith(b"PRI"):  # no method of HTTP/1
                self._http2 = Http2Hint(
                    "this is the OTLP/HTTP port and speaks HTTP/1.1; OTLP/gRPC is on "
                    + self.grpc_hint
                )
            if data and data[0] == _TLS_HANDSHAKE:
                logger.warning(
                    "a client speaks TLS to the plain-text OTLP/HTTP port: use http:// in its "
                    "endpoint, or end TLS in front of this server"
                )
                self.transport.close()
                return
        if self._http2 is not None:
            # The header deadline goes on running: the connection is for a hint, not to stay.
            self.transport.write(self._http2.feed(data))
            if self._http2.is_broken:
                self.transport.close()
            return
        super().data_received(data)
        if self.cycle is not None and self.cycle.response_complete and not self._is_between():
            self._dropped_bytes += len(data)
            if self._dropped_bytes > _MAX_DROPPED_BYTES:
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_bytes = 0
        self._await_headers()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _MAX_HEADER_BYTES:
            self._refuse_line(431, f"the headers are larger than {_MAX_HEADER_BYTES} bytes")
            raise ValueError("headers too large")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_header_timer()
        self._dropped_bytes = 0
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse_line(400, msg)

    def _is_between(self) -> bool:
        """Whether the last request was read to its end."""
        return not self.cycle.more_body

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self.cycle is not None:
            self.cycle.more_body = False

    def _await_headers(self) -> None:
        self._stop_header_timer()
        self._header_timer = self.loop.call_later(self.header_timeout_seconds, self._too_slow)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse_line(self, status: int, message: str) -> None:
        """An answer for what never became a request: a Status in JSON, then the end."""
        body = json.dumps({"code": 3, "message": message}).encode()
        phrase = {400: "Bad Request", 431: "Request Header Fields Too Large"}[status]
        head = (
            f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def protocol_class(header_timeout_seconds: float, grpc_hint: str) -> type[OtlpHttpProtocol]:
    """The protocol with these settings; uvicorn makes the instances itself."""
    attributes: dict[str, Any] = {
        "header_timeout_seconds": header_timeout_seconds,
        "grpc_hint": grpc_hint,
    }
    return type("ConfiguredOtlpHttpProtocol", (OtlpHttpProtocol,), attributes)
