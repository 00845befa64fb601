"""Errors: what a service says when it cannot do what was asked, and how it travels over HTTP.

Every error has a stable `code` (a word for machines), an HTTP status and whether trying again
may help. Over HTTP it is an RFC 9457 problem document; clients turn it back into its class.
"""

from __future__ import annotations


class ShopError(Exception):
    """The base: an error of the shop, with words for a person. `is_final` is set on an error
    that was tried again already, nearer to the failure, or that a retry would only repeat:
    whoever sees it further up does not try again, whatever its class says."""

    code = "internal"
    http_status = 500
    is_retryable = False
    is_final = False


class NotFound(ShopError):
    """There is no such thing."""

    code = "not_found"
    http_status = 404


class Invalid(ShopError):
    """The request makes no sense."""

    code = "invalid"
    http_status = 422


class Conflict(ShopError):
    """It cannot be done in the present state: out of stock, an idempotency key used twice."""

    code = "conflict"
    http_status = 409


class PaymentDeclined(ShopError):
    """The card network said no. A business answer, not a failure: never retried."""

    code = "payment_declined"
    http_status = 402


class Unauthorized(ShopError):
    """No valid token."""

    code = "unauthorized"
    http_status = 401


class RateLimited(ShopError):
    """Too many requests of one user."""

    code = "rate_limited"
    http_status = 429
    is_retryable = True

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DependencyError(ShopError):
    """Another service did not do its part; `dependency` names it. `was_never_sent` says that the
    request certainly reached nobody, so that sending it again cannot do the work twice."""

    code = "dependency_failed"
    http_status = 502
    is_retryable = True
    was_never_sent = False

    def __init__(self, dependency: str, message: str) -> None:
        super().__init__(message)
        self.dependency = dependency


class DependencyUnavailable(DependencyError):
    """No instance, connection refused, or 503 / UNAVAILABLE."""

    code = "dependency_unavailable"
    http_status = 503


class DependencyTimeout(DependencyError):
    """No answer in time. The work may have been done: retry only what is idempotent."""

    code = "dependency_timeout"
    http_status = 504


class CircuitOpen(DependencyError):
    """The breaker is open: nothing was sent."""

    code = "circuit_open"
    http_status = 503
    is_retryable = False


class BulkheadFull(DependencyError):
    """Too many calls of that dependency are under way: nothing was sent."""

    code = "bulkhead_full"
    http_status = 503
    is_retryable = False
