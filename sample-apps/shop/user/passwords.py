"""Passwords: kept as scrypt hashes, each with its own salt and the cost it was made with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Callable

COST = 2**10
"""scrypt's N, with r=8 and p=1: about 2 ms and 1 MiB a hash. A shop with real people in it takes
2**15 and more; the cost is part of every stored hash, so old ones stay valid when it is raised."""

BLOCK_SIZE = 8
KEY_BYTES = 32


def hashed(password: str, cost: int = COST, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """`scrypt$cost$salt$key`, salt and key in base64. The same password differs every time."""
    salt = entropy(16)
    return "$".join(("scrypt", str(cost), _text(salt), _text(_key(password, salt, cost))))


def matches(password: str, stored: str) -> bool:
    """Whether the password is the one that was hashed, in a time that does not tell how much of
    it was right. Raises ValueError for what `hashed` never made."""
    scheme, cost, salt, key = stored.split("$")
    if scheme != "scrypt":
        raise ValueError(f"a password is stored with the unknown scheme {scheme}")
    asked = _key(password, base64.b64decode(salt), int(cost))
    return hmac.compare_digest(asked, base64.b64decode(key))


def _key(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=BLOCK_SIZE, p=1, dklen=KEY_BYTES)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
