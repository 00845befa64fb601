"""The transform: what of a request's headers goes on to the services behind the door.

The request in hand is a context variable, so the clients of the services need not know of it,
and calls that run beside each other carry it along with the trace context.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import httpx

from shop.chassis.ports import Caller

# A proxy's own affair between two hops (RFC 9110, section 7.6.1).
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Proof of who it is was checked here and is nobody else's business.
SECRET = frozenset({"authorization", "cookie"})
# Written anew for every call: by the client that makes it, or by the instrumentation.
WRITTEN_ANEW = frozenset(
    {
        "accept",
        "accept-encoding",
        "baggage",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "traceparent",
        "tracestate",
        "user-agent",
    }
)
# Believed behind the door, so a visitor must not be able to send them.
GIVEN_HERE = frozenset({"x-user-id", "x-user-tier", "x-request-id"})

# Anything else has no meaning that two servers agree on, and no client may send it (RFC 9110,
# section 5.5): what a visitor says so is not worth the failure of the call behind the door.
_SENDABLE = re.compile(r"[!-~](?:[ -~\t]*[!-~])?|")

_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_headers_in_hand: ContextVar[Mapping[str, str] | None] = ContextVar("headers_in_hand", default=None)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The id that the visitor gave the request, if it can be printed anywhere, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _WELL_FORMED_ID.fullmatch(given) else uuid.uuid4().hex


def forwarded(headers: Mapping[str, str], request_id: str, user_id: str) -> dict[str, str]:
    """What goes on of these headers (names in lower case); `user_id` is empty for nobody. Values
    that are not visible ASCII stay behind."""
    named_by_connection = {
        name.strip().lower() for name in headers.get("connection", "").split(",") if name.strip()
    }
    stripped = HOP_BY_HOP | SECRET | WRITTEN_ANEW | GIVEN_HERE | named_by_connection
    kept = {
        name: value
        for name, value in headers.items()
        if name not in stripped and _SENDABLE.fullmatch(value)
    }
    kept["x-request-id"] = request_id
    if user_id:
        kept["x-user-id"] = user_id
    return kept


def take_in_hand(headers: Mapping[str, str]) -> None:
    """From here on, calls of this request carry these headers."""
    _headers_in_hand.set(headers)


class ForwardingCaller:
    """A `Caller` whose calls carry the headers of the request in hand; those that the client
    says itself go before them."""

    def __init__(self, inner: Caller) -> None:
        self._inner = inner

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str = "",
    ) -> httpx.Response:
        """As `Caller` promises."""
        said = {name.lower(): value for name, value in (headers or {}).items()}
        return self._inner.request(
            method,
            path,
            params=params,
            json=json,
            headers={**(_headers_in_hand.get() or {}), **said},
            idempotency_key=idempotency_key,
        )
