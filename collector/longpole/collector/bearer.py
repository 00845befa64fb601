"""The bearer token: asked of every request on both transports once one is configured."""

from __future__ import annotations

from longpole.collector.refusals import UNAUTHENTICATED, Refused
from longpole.model.secret import Secret


def check_bearer(token: Secret | None, authorization: str | bytes | None) -> None:
    """Raises `Refused` unless the Authorization value carries the token, or none is asked."""
    if token is None:
        return
    if isinstance(authorization, bytes):
        authorization = authorization.decode("latin-1")
    scheme, _, value = (authorization or "").strip().partition(" ")
    # The comparison runs in any case, so a wrong scheme takes as long as a wrong token.
    matches = token.matches(value.strip().encode("latin-1", "replace"))
    if scheme.lower() != "bearer" or not matches:
        raise Refused(UNAUTHENTICATED)
