"""A gateway that listens, and a visitor with a token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import jwt

from shop.gateway.service import build_on
from tests.shop.gateway.backends_on_stage import Shop
from tests.shop.inventory.stage import Stage

SECRET = "a secret of thirty-two bytes or more"


def token(user_id: str = "user-1", **claims: Any) -> str:
    """A token that user-service could have signed, except for what `claims` change."""
    now = int(time.time())
    said = {"sub": user_id, "tier": "gold", "iat": now, "exp": now + 60, **claims}
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, SECRET, algorithm="HS256")


def bearer(user_id: str = "user-1", **claims: Any) -> dict[str, str]:
    """The header with that token."""
    return {"authorization": f"Bearer {token(user_id, **claims)}"}


@contextmanager
def front_door(stage: Stage, shop: Shop, **settings: Any) -> Iterator[httpx.Client]:
    """A client of the gateway with `shop` behind it."""
    chassis = stage.chassis("gateway", **{"jwt_secret": SECRET, **settings})
    backends = shop.backends()
    parts = build_on(chassis, backends, backends, "gateway", "1.0.0", lambda hops: [])
    stage.serve(parts.app, "gateway")
    (instance,) = stage.held.discovery.instances("gateway")
    try:
        with httpx.Client(base_url=f"http://{instance.http}", trust_env=False) as client:
            yield client
    finally:
        for action in parts.on_stop:
            action()
