"""Guards the web port: who may name this host, who may change state, who has the token.

Pure ASGI, around everything else, so that no page, error or static file escapes the headers.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import orjson

from longpole.dashboards.errors import document
from longpole.model.secret import Secret

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Nothing leaves for another host. With "no-referrer" browsers would also hide the origin of
    # our own forms, which the guard asks for.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Probes come from orchestrators that address a pod by whatever name; the answers say nothing.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_BODY_BYTES = 2**20
_CLOSE = ((b"connection", b"close"),)
ALWAYS_ALLOWED = ("localhost", "127.0.0.1", "::1")


class WebGuard:
    """Answers requests: 421 for a foreign Host, 403 for a foreign Origin on a request that changes
    state, 401 without the token, 413 for a body that is no question;
    adds the security headers to every response.

    A wildcard bind has no host name of its own, so there any IP address is a fine Host: DNS
    rebinding, which this check is against, needs a name.
    """

    def __init__(
        self,
        app: App,
        bound_host: str,
        host_names: Iterable[str] = (),
        token: Secret | None = None,
    ) -> None:
        self._app = app
        bound = bound_host.strip("[]").lower()
        self._hosts = {*ALWAYS_ALLOWED, bound, *(name.lower() for name in host_names)}
        self._is_wildcard = bound in ("0.0.0.0", "::", "")
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            if scope["method"] == "HEAD":
                # The server keeps its own scope and leaves out the body.
                scope = {**scope, "method": "GET"}
            await self._app(scope, receive, guarded)
            return
        status, code, text, extra = refusal
        await answer(guarded, status, orjson.dumps(document(code, text)), extra)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Browsers let any page open a websocket to any host, so the origin always counts. What is
        closed before it was accepted is answered with 403."""
        if self._refusal({**scope, "method": "CONNECT"}) is None:
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(
        self, scope: Scope
    ) -> tuple[int, str, str, tuple[tuple[bytes, bytes], ...]] | None:
        if scope["path"] in OPEN_PATHS:
            return None
        headers = scope["headers"]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._is_known(host_of(hosts[0])):
            return (
                421,
                "unknown_host",
                "this server is not known by that host name; --web-host adds names",
                (),
            )
        origin = _header(headers, b"origin")
        if (
            scope["method"] not in SAFE_METHODS
            and origin is not None
            and not self._is_own(origin, hosts[0])
        ):
            return 403, "foreign_origin", "another site may not ask for that", ()
        length = _header(headers, b"content-length")
        if _header(headers, b"transfer-encoding") is not None or (
            length is not None and (not length.isdigit() or int(length) > MOST_BODY_BYTES)
        ):
            # Questions are short. Uploads of unknown or large size are not read at all.
            return 413, "too_large", f"a body has at most {MOST_BODY_BYTES:,} bytes", _CLOSE
        if self._token is not None and not self._is_authorised(headers):
            challenge = (
                (b"www-authenticate", b'Bearer realm="longpole"'),
                (b"www-authenticate", b'Basic realm="longpole", charset="UTF-8"'),
            )
            text = "send the token as a bearer token, or as the password of HTTP Basic"
            return 401, "unauthorised", text, challenge
        return None

    def _is_known(self, host: str) -> bool:
        return host in self._hosts or (self._is_wildcard and _is_address(host))

    def _is_own(self, origin: str, host: str) -> bool:
        # Same host and port as addressed; the scheme differs behind a proxy that ends TLS.
        _, found, authority = origin.lower().partition("://")
        return bool(found) and authority == host.lower()

    def _is_authorised(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        scheme, _, rest = (_header(headers, b"authorization") or "").partition(" ")
        assert self._token is not None
        if scheme.lower() == "bearer":
            return self._token.matches(rest.strip())
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(rest.strip(), validate=True).decode()
            except (binascii.Error, ValueError):
                return False
            return self._token.matches(pair.partition(":")[2])
        return False


def host_of(authority: str) -> str:
    """The host of a Host header, lower case, without port and brackets; "" for nonsense."""
    authority = authority.strip().lower()
    if authority.startswith("["):
        host, bracket, port = authority[1:].partition("]")
        return host if bracket and (not port or _is_port(port)) else ""
    host, colon, port = authority.partition(":")
    return host.rstrip(".") if not colon or _is_port(":" + port) else ""


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isascii() and text[1:].isdigit()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> str | None:
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return None


async def answer(
    send: Send,
    status: int,
    body: bytes,
    extra: tuple[tuple[bytes, bytes], ...] = (),
    media_type: bytes = b"application/json",
) -> None:
    """A whole response at once."""
    headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
