"""Tokens at the door: what a session token says about its bearer, once it is believed."""

from __future__ import annotations

from dataclasses import dataclass

import jwt

from shop.chassis.errors import Unauthorized

# Pinned: a token that names another algorithm, or none, is not believed whatever it contains.
ALGORITHMS = ["HS256"]
REQUIRED_CLAIMS = ["exp", "iat", "sub", "tier"]
LEAST_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends a request."""

    user_id: str
    tier: str


class Verifier:
    """Believes tokens that were signed with one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def missing(self) -> str:
        """What keeps the door from opening for anybody, or an empty string."""
        if len(self._secret.encode()) < LEAST_SECRET_BYTES:
            return f"SHOP_JWT_SECRET has fewer than {LEAST_SECRET_BYTES} bytes"
        return ""

    def visitor(self, authorization: str) -> Visitor:
        """The bearer of `Authorization: Bearer <token>`. Raises `Unauthorized` without a token,
        and for one that is forged, out of date or lacks a claim."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("send a session token: Authorization: Bearer <token>")
        if self.missing():
            raise Unauthorized("no token can be checked here")
        try:
            claims = jwt.decode(
                token.strip(),
                self._secret,
                algorithms=ALGORITHMS,
                options={"require": REQUIRED_CLAIMS},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("the session has ended; log in again") from error
        except jwt.InvalidTokenError as error:
            raise Unauthorized("the session token is not valid") from error
        return Visitor(str(claims["sub"]), str(claims["tier"]))
