"""Every way in which a request is refused, in one table that both transports answer from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: the metric label, the answer on both transports, and whether a client
    should send the same bytes again. `shows_detail` says whether the particulars (our own
    words about the sender's bytes) are safe to send back; else they go to the log only.

    The OTLP specification calls exactly 429, 502, 503 and 504 retryable on HTTP, so
    `is_retryable` and a status of 503 go together, and on gRPC UNAVAILABLE.
    """

    code: str
    words: str
    http_status: int
    grpc_status: grpc.StatusCode
    is_retryable: bool = False
    shows_detail: bool = True


_C = grpc.StatusCode
MALFORMED = Refusal("malformed", "the request cannot be decoded", 400, _C.INVALID_ARGUMENT)
# When a message is over the limit the gRPC library itself answers RESOURCE_EXHAUSTED, and all
# that is seen here is a call without a message.
NO_MESSAGE = Refusal(
    "no_message",
    "the call ended without a message, or with one over the limit",
    400,
    _C.INVALID_ARGUMENT,
)
BAD_COMPRESSION = Refusal(
    "bad_compression", "the request body cannot be decompressed", 400, _C.INVALID_ARGUMENT
)
UNAUTHENTICATED = Refusal(
    "unauthenticated",
    "this server asks for a bearer token: set the header 'authorization: Bearer <token>' "
    "in the exporter (OTEL_EXPORTER_OTLP_HEADERS)",
    401,
    _C.UNAUTHENTICATED,
)
UNKNOWN_PATH = Refusal("unknown_path", "there is nothing here", 404, _C.UNIMPLEMENTED)
WRONG_METHOD = Refusal("wrong_method", "only POST is taken here", 405, _C.UNIMPLEMENTED)
TOO_LARGE = Refusal("too_large", "the request is too large", 413, _C.RESOURCE_EXHAUSTED)
UNSUPPORTED_TYPE = Refusal(
    "unsupported_content_type",
    "send application/x-protobuf or application/json",
    415,
    _C.INVALID_ARGUMENT,
)
UNSUPPORTED_COMPRESSION = Refusal(
    "unsupported_content_encoding",
    "send the body as it is, or with one of gzip, deflate, zstd",
    415,
    _C.UNIMPLEMENTED,
)
BUSY = Refusal(
    "busy", "too many bytes are in flight, send again shortly", 503, _C.UNAVAILABLE, True
)
OVERLOADED = Refusal(
    "overloaded", "storage is behind, send again shortly", 503, _C.UNAVAILABLE, True
)
UNSEALED = Refusal(
    "unsealed",
    "more was taken than could be sealed so far, send again shortly",
    503,
    _C.UNAVAILABLE,
    True,
)
UNEXPLAINED = Refusal(
    "unexplained",
    "more traces were taken than could be explained so far, send again shortly",
    503,
    _C.UNAVAILABLE,
    True,
)
# Its particulars name paths and disks of this machine: for the log, not for the sender.
STORAGE_UNAVAILABLE = Refusal(
    "storage_unavailable",
    "storage cannot take data now, nothing of this request was kept, send it again shortly",
    503,
    _C.UNAVAILABLE,
    True,
    False,
)
DISK_FULL = Refusal(
    "disk_full",
    "the disk of the server is full, nothing of this request was kept, send it again shortly",
    503,
    _C.UNAVAILABLE,
    True,
    False,
)
DRAINING = Refusal(
    "draining", "the server is shutting down, send again shortly", 503, _C.UNAVAILABLE, True
)
SLOW_BODY = Refusal(
    "slow_body", "the request body did not arrive in time", 503, _C.UNAVAILABLE, True
)
RESPONSE_TOO_LARGE = Refusal(
    "response_too_large", "the answer would be too large", 500, _C.RESOURCE_EXHAUSTED
)
INTERNAL = Refusal(
    "internal",
    "a fault in the server, not in the request; its log has the details",
    500,
    _C.INTERNAL,
    False,
    False,
)

REFUSALS: Mapping[str, Refusal] = {
    row.code: row
    for row in (
        MALFORMED, NO_MESSAGE, BAD_COMPRESSION, UNAUTHENTICATED, UNKNOWN_PATH, WRONG_METHOD,
        TOO_LARGE, UNSUPPORTED_TYPE, UNSUPPORTED_COMPRESSION, BUSY, OVERLOADED, UNSEALED,
        UNEXPLAINED, STORAGE_UNAVAILABLE, DISK_FULL, DRAINING, SLOW_BODY, RESPONSE_TOO_LARGE,
        INTERNAL,
    )
}  # fmt: skip


class Refused(Exception):
    """Raised anywhere on the way in; the transport turns it into its kind of answer."""

    def __init__(
        self, refusal: Refusal, detail: str = "", retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    @property
    def message(self) -> str:
        """What the sender reads."""
        if self.detail and self.refusal.shows_detail:
            return f"{self.refusal.words}: {self.detail}"
        return self.refusal.words
