"""Error series: metric series that count failures only, as their own labels say.

They tell nothing about a trace in which nothing failed: that other requests fail at the same time
is no reason why this one is slow.
"""

from __future__ import annotations

from longpole.analyzer.correlation.metric_series import Series

_STATES = frozenset({"status", "code", "outcome", "result"})  # last words of a label's name
# Names of gRPC's codes other than OK, and what frameworks call a failure.
_FAILURES = frozenset({
    "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
    "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range",
    "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
    "status_code_error", "error", "failed", "failure", "exception", "timeout", "client_error",
    "server_error", "4xx", "5xx",
})  # fmt: skip


def is_of_errors(series: Series) -> bool:
    """Whether a label of the series says that all it counts failed: an `error.type`, a status
    that is a failure's name, an HTTP status from 400 on, a gRPC one other than 0."""
    return any(_says_error(name.lower(), value.strip().lower()) for name, value in series.labels)


def _says_error(name: str, value: str) -> bool:
    if name.replace("_", ".") in ("error.type", "exception.type"):
        return value not in ("", "none", "false")
    if name.replace(".", "_").rpartition("_")[2] not in _STATES:
        return False
    if value.isascii() and value.isdigit() and len(value) < 4:
        return int(value) >= 400 or ("grpc" in name and int(value) > 0)
    return value in _FAILURES
