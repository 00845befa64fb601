"""Certainty: whether a call that failed may have taken effect all the same."""

from __future__ import annotations

import grpc
import httpx

from shop.chassis.errors import DependencyError, DependencyTimeout, ShopError

# The trailer by which a servicer of the shop says that it was itself that refused.
_ANSWERED = "shop-error-code"


def may_have_happened(error: Exception) -> bool:
    """True after a timeout, a connection that broke off, and an error nobody foresaw. False when
    nothing was sent, or when the other side was alive to say no."""
    if not isinstance(error, ShopError):
        return True
    if not isinstance(error, DependencyError) or error.was_never_sent:
        return False
    if isinstance(error, DependencyTimeout):
        return True
    cause = error.__cause__
    if isinstance(cause, grpc.RpcError):
        trailers = cause.trailing_metadata() or ()
        return _ANSWERED not in {key for key, _ in trailers}
    return isinstance(cause, httpx.TransportError)
