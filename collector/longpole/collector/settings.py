"""What can be set about the collector; every value has a default that suits one machine."""

from __future__ import annotations

from dataclasses import dataclass

from longpole.model.secret import Secret

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """Addresses are `host:port` (`[::1]:4317` for IPv6), port 0 picks a free one; sizes are
    bytes, times are seconds.

    `max_request_bytes` holds for a request as sent and again after decompression.
    `max_in_flight_bytes` bounds the bodies that are received but not yet durable; a request
    that finds no room waits `admission_wait_seconds` and is then told to come back after
    `retry_after_seconds`. SDK exporters give up after 10 s and drop a batch at once when
    told to wait longer than that, so both stay small. `cors_origins` are exact origins
    such as `https://shop.example`; without any, no browser page of another origin can send.
    """

    grpc_address: str = "127.0.0.1:4317"
    http_address: str = "127.0.0.1:4318"
    max_request_bytes: int = 64 * MIB
    max_response_bytes: int = 4 * MIB
    max_in_flight_bytes: int = 256 * MIB
    admission_wait_seconds: float = 2.0
    retry_after_seconds: int = 1
    header_timeout_seconds: float = 10.0
    body_timeout_seconds: float = 30.0
    keep_alive_seconds: int = 75
    max_concurrent_streams: int = 256
    token: Secret | None = None
    cors_origins: tuple[str, ...] = ()
