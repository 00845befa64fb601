"""Session tokens: signed here, believed by the gateway, which holds the same secret."""

from __future__ import annotations

from collections.abc import Callable

import jwt

from shop.chassis.errors import ShopError
from shop.chassis.settings import SettingsError
from shop.user.contract import Session, User

LIFETIME_SECONDS = 3600
ALGORITHM = "HS256"
LEAST_SECRET_BYTES = 32


def check_secret(secret: str) -> None:
    """Raises `SettingsError` for a secret that is too short to be one: a service that could sign
    nothing, or what anybody could sign, does not start."""
    if len(secret.encode()) < LEAST_SECRET_BYTES:
        raise SettingsError(f"SHOP_JWT_SECRET has fewer than {LEAST_SECRET_BYTES} bytes")


class Signer:
    """Signs tokens with one secret; `clock` gives seconds since 1970."""

    def __init__(
        self, secret: str, clock: Callable[[], float], lifetime_seconds: int = LIFETIME_SECONDS
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._lifetime_seconds = lifetime_seconds

    def session(self, user: User) -> Session:
        """A session that begins now. Raises `ShopError` with a secret that is too short to be one,
        which anybody could sign with."""
        if len(self._secret.encode()) < LEAST_SECRET_BYTES:
            raise ShopError(f"SHOP_JWT_SECRET has fewer than {LEAST_SECRET_BYTES} bytes")
        issued = int(self._clock())
        expires = issued + self._lifetime_seconds
        claims = {"sub": user.user_id, "tier": user.tier, "iat": issued, "exp": expires}
        token = jwt.encode(claims, self._secret, algorithm=ALGORITHM)
        return Session(token=token, user_id=user.user_id, expires_unix=expires)
